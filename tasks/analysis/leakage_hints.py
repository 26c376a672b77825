"""Leakage hints: what suggests that a feature, or a split, knows the answer beforehand.

A hint is told and breaks nothing: a person knows what comes before what. Looked for are features
that add up to the target, missing values and zeros that follow it, and an entity of many rows on
both sides of a split at random. Not responsible for features that tell the target alone
(`init.leakage`).
"""

import re
from collections.abc import Iterable, Iterator

import numpy as np
import polars as pl

from tasks.analysis.alike_rows import hint_at_kinds
from tasks.analysis.target_sums import Array, find_sums
from tasks.core.columns import MATURED, TARGET
from tasks.core.model_sections import TargetKind
from tasks.core.sql import column_of, is_text
from tasks.extraction.run_plan import Plan
from tasks.extraction.snapshot import Snapshot
from tasks.features.transform import feature_expressions
from tasks.preparation.labels import label_rows, settle_target

AN_ID = re.compile(r"(?i:(^|[\W_])(id|uuid|guid)$)|[a-z](Id|ID)$")
_ROWS, _SAMPLE = 200_000, 20_000  # of the first rows; drawn from them to look for sums
_FOLLOWS, _FEWEST = 0.95, 20  # area under the curve of a missing value; rows with and without it
_ENTITIES, _EACH = 50, (2.0, 100.0)  # how many there are at least, and rows of each
_ALIKE, _ALIKE_ID, _CLASSES = 0.2, 0.05, 5  # how alike targets of one entity are; of a named id


def list_hints(plan: Plan, snapshot: Snapshot) -> Iterator[str]:
    """Say what suggests leakage in the rows that are about to be split."""
    definition, rows = plan.definition, snapshot.scan()
    target, _ = settle_target(definition, plan.as_of, rows, plan.origin)
    known = label_rows(definition, plan.as_of, rows, target)
    known = known.filter(MATURED, pl.col(TARGET).is_not_null()).head(_ROWS)
    yield from _hint_at_sums(plan, known)
    yield from _hint_at_gaps(plan, known)
    if plan.as_of is None and definition.training.group is None:
        if not definition.extract.key and (hint := hint_at_kinds(definition, rows)):
            yield hint
        schema = rows.collect_schema()
        made_of = pl.sql_expr(definition.target.value).meta.root_names()
        columns = [name for name in schema if name not in made_of]
        kind = definition.target.kind
        for name, each in find_entities(known, pl.col(TARGET), kind, columns).items():
            yield explain_entity(name, each)


def find_entities(
    rows: pl.LazyFrame, target: pl.Expr, kind: TargetKind, columns: Iterable[str]
) -> dict[str, float]:
    """Find columns that name what many rows belong to, with how many rows each has.

    The targets of one entity's rows are alike, and more so than those of the next in order: else
    the column is a measure, whose neighbours are alike too (an intraclass correlation for both).
    """
    schema, found = rows.collect_schema(), dict[str, float]()
    may = [name for name in columns if is_text(schema[name]) or schema[name].is_integer()]
    counts = rows.select(pl.len().alias("\0"), *(column_of(name).n_unique() for name in may))
    total, *different = counts.collect().row(0)
    for name, count in zip(may, different, strict=True):
        each = total / max(count, 1)
        if count < _ENTITIES or not _EACH[0] <= each <= _EACH[1]:
            continue
        both = rows.select(value=column_of(name), target=target).drop_nulls().collect()
        if _is_alike(_pair_rows(both), kind, name):
            found[name] = each
    return found


def explain_entity(name: str, each: float) -> str:
    """Say what a split at random does to an entity, and what to do."""
    return (
        f"each {name!r} is in about {each:.0f} rows with much the same target, and a split at "
        f"random puts them on both sides: to be judged by others, give [training] group = {name!r}"
    )


def follows_gaps(missing: Array, target: Array, kind: TargetKind) -> bool:
    """Tell whether a column is missing, or there, as the target says: known only after it."""
    if min(missing.sum(), (~missing).sum()) < _FEWEST:
        return False
    if kind == "multiclass":
        return any(_tells(missing, target == label) for label in np.unique(target))
    return _tells(missing, target)


def _hint_at_sums(plan: Plan, known: pl.LazyFrame) -> Iterator[str]:
    """Look for sums that give the target, or a number that the target is made of."""
    names = [name for name in plan.features.expressions if name not in plan.features.categories]
    schema = known.collect_schema()
    made_of = pl.sql_expr(plan.definition.target.value).meta.root_names()
    sums = {plan.definition.target.value: pl.col(TARGET)}
    sums |= {name: column_of(name) for name in made_of if schema[name].is_numeric()}
    if plan.definition.target.kind != "regression":
        del sums[plan.definition.target.value]
    features = [
        each for each in feature_expressions(plan.features) if each.meta.output_name() in names
    ]
    for said, value in sums.items():
        rows = known.select(value.cast(pl.Float64).alias("\0"), *features).collect()
        rows = rows.sample(min(_SAMPLE, len(rows)), shuffle=True, seed=1)
        for found in find_sums(rows):
            named = ", ".join(map(repr, found.columns))
            yield (
                f"target {said!r} is given away by features {named}: {found.how}; are they known "
                "beforehand? If not, leave one of them out"
            )


def _hint_at_gaps(plan: Plan, known: pl.LazyFrame) -> Iterator[str]:
    columns, schema = list(plan.features.columns), known.collect_schema()
    numbers = [name for name in columns if schema[name].is_numeric()]
    gaps = known.select(pl.col(TARGET), *(column_of(name).is_null() for name in columns)).collect()
    zeros = known.select((column_of(name) == 0).fill_null(False) for name in numbers).collect()
    target, kind = gaps[TARGET].to_numpy(), plan.definition.target.kind
    for name in columns:
        if follows_gaps(gaps[name].to_numpy(), target, kind):
            said = "missing, or is there,"
        elif name in numbers and follows_gaps(zeros[name].to_numpy(), target, kind):
            said = "0, or is not,"
        else:
            continue
        yield (
            f"column {name!r} is {said} as the target says: is it known only after it? If so, "
            "leave out the feature"
        )


def _tells(missing: Array, target: Array) -> bool:
    """Hold the target's ranks against each other where the column is missing, and where not."""
    ranks = pl.Series(target.astype(np.float64)).rank("average").to_numpy()
    count, rest = missing.sum(), (~missing).sum()
    area = (ranks[missing].sum() - count * (count + 1) / 2) / (count * rest)
    return bool(max(area, 1 - area) >= _FOLLOWS)


def _pair_rows(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Pair rows with others of their value, and with some of the next value in order.

    They are shuffled first: a table's neighbours are alike in more than in what they belong to.
    """
    drawn = rows.sample(fraction=1, shuffle=True, seed=1).select(
        "target", value=pl.col("value").rank("dense"), place=pl.int_range(pl.len()).over("value")
    )
    own = drawn.with_columns(place=pl.col("place") - 1)
    near = drawn.with_columns(value=pl.col("value") - 1)
    shared = ["value", "place"]
    return drawn.join(own, on=shared), drawn.join(near, on=shared)


def _is_alike(pairs: tuple[pl.DataFrame, pl.DataFrame], kind: TargetKind, name: str) -> bool:
    """Correlate targets of rows of one entity, and of rows of one and of the next."""
    labels = pairs[0]["target"].value_counts(sort=True)["target"].head(_CLASSES)
    sides = [[pl.col("target", "target_right") == label] for label in labels]
    needed = _ALIKE_ID if AN_ID.search(name) else _ALIKE
    for side in sides if kind == "multiclass" else [[pl.col("target", "target_right")]]:
        own, near = (_correlate(*each.select(side).cast(pl.Float64).to_numpy().T) for each in pairs)
        if own >= needed and own > 2 * near:
            return True
    return False


def _correlate(one: Array, other: Array) -> float:
    if len(one) < _FEWEST or not one.std() or not other.std():
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])
