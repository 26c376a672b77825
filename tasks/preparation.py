"""Step 3, preparation: a snapshot in, numbered rows split by time and a frozen vocabulary out.

Owns who is in training and who is in the holdout, label maturity and the vocabulary. Refuses to
know what learns from the rows.
"""

import logging
from datetime import datetime, timedelta
from enum import IntEnum
from pathlib import Path

import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.definition import Definition, Frozen
from tasks.errors import DataRefused, DefinitionError
from tasks.extraction import Snapshot
from tasks.features import (
    Vocabulary,
    compile_expression,
    encode_expressions,
    expression_type,
    feature_expressions,
    learn_levels,
)
from tasks.plan import Plan
from tasks.sources import event_time
from tasks.store import reaching

log = logging.getLogger("perennial.preparation")

ROW, TIME, TARGET, PART = "__row", "__time", "__target", "__part"
MATURED = "__matured"
_PART_ROWS, _CLASS_ROWS, _MOST_CLASSES = 50, 10, 1000


class Part(IntEnum):
    """Where a labelled row belongs. Evaluation's model learns from FIT and STOP, never from GAP.

    A GAP row is older than the holdout, but its label was not known yet when the holdout began.
    """

    FIT, STOP, GAP, HOLDOUT = range(4)


class Split(Frozen):
    """Where the parts begin, in event time; None where rows are split by a hash instead."""

    stop: datetime | None = None
    gap: datetime | None = None
    holdout: datetime | None = None
    matured: datetime | None = None


class Prepared(Frozen):
    """Numbered rows in one Arrow file, with what is needed to read and repeat it."""

    path: Path
    vocabulary: Vocabulary
    split: Split
    rows: dict[str, int]
    unlabelled: int
    immature: int

    def scan(self, *parts: Part) -> pl.LazyFrame:
        rows = pl.scan_ipc(self.path)
        return rows.filter(pl.col(PART).is_in([int(part) for part in parts])) if parts else rows


def prepare_rows(plan: Plan, snapshot: Snapshot, folder: Path) -> Prepared:
    """Label, split, learn the vocabulary from training rows only, and number every feature."""
    target, classes = settle_target(plan, snapshot.scan())
    rows = label_rows(plan, snapshot.scan(), target)
    counts = rows.group_by(MATURED, labelled=pl.col(TARGET).is_not_null()).len().collect()
    known = rows.filter(MATURED, pl.col(TARGET).is_not_null())
    split = split_by_time(plan, known)
    columns = snapshot.scan().collect_schema().names()
    parted = known.with_columns(part_of_row(plan.definition, split, columns).alias(PART))
    categories = learn_categories(plan, parted.filter(pl.col(PART) <= Part.STOP))
    vocabulary = Vocabulary(categories=categories, classes=classes)
    path = folder / "prepared.arrow"
    with reaching(str(path)):
        number_rows(plan, vocabulary, parted).sink_ipc(path)
    _refuse_unlearnable(plan, path, classes)
    return Prepared(
        path=path,
        vocabulary=vocabulary,
        split=split,
        rows=_count_parts(path),
        unlabelled=counts.filter(MATURED, ~pl.col("labelled"))["len"].sum(),
        immature=counts.filter(~pl.col(MATURED))["len"].sum(),
    )


def settle_target(plan: Plan, rows: pl.LazyFrame) -> tuple[pl.Expr, tuple[str, ...]]:
    """Turn the target into a number: 0 and 1, the place of a class, or the value itself."""
    where = f"{plan.origin}: [target] value"
    kind, schema = plan.definition.target.kind, rows.collect_schema()
    value = compile_expression(plan.definition.target.value, schema, where)
    dtype = expression_type(value, schema, where)
    if kind == "multiclass":
        text = value.cast(pl.String)
        found = rows.select(text.unique().drop_nulls().sort().alias(TARGET)).collect()
        classes = tuple(found[TARGET])
        if len(classes) > _MOST_CLASSES:
            raise DataRefused(f"{where}: has {len(classes):,} classes; is it a regression?")
        codes = pl.Series(range(len(classes)), dtype=pl.Int32)
        return text.replace_strict(pl.Series(classes, dtype=pl.String), codes, default=None), classes
    if not (dtype.is_numeric() or dtype == pl.Boolean):
        example = f"{plan.definition.target.value} = 'yes'" if kind == "binary" else "CAST(… AS DOUBLE)"
        raise DefinitionError(f"{where}: gives {dtype} for a {kind} target; write {example}")
    number = value.cast(pl.Float64).fill_nan(None)
    odd = ~number.is_in([0.0, 1.0]) if kind == "binary" else number.is_infinite()
    count = rows.select(odd.sum()).collect().item()
    if count:
        rule = "is neither true nor false (1 or 0)" if kind == "binary" else "is infinite"
        raise DataRefused(f"{where}: {rule} in {count:,} rows")
    return number, ()


def label_rows(plan: Plan, rows: pl.LazyFrame, target: pl.Expr) -> pl.LazyFrame:
    """Add row number, event time, target (null where unknown) and whether the label has matured."""
    time = event_time(plan.definition, rows.collect_schema())
    if time is None or plan.as_of is None:
        time, matured = pl.lit(None, pl.Datetime("us", "UTC")), pl.lit(True)
    else:
        matured = (time <= plan.as_of - plan.definition.target.matures_after).fill_null(False)
    added = (time.alias(TIME), target.alias(TARGET), matured.alias(MATURED))
    return rows.with_row_index(ROW).with_columns(added)


def split_by_time(plan: Plan, known: pl.LazyFrame) -> Split:
    """Find where each part begins. Rows of one moment always fall into the same part."""
    training, as_of = plan.definition.training, plan.as_of
    if as_of is None:
        return Split()
    matured = as_of - plan.definition.target.matures_after
    if isinstance(training.holdout, timedelta):
        holdout = matured - training.holdout
    else:
        holdout = _time_at(known, 1 - training.holdout, plan)
    gap = holdout - plan.definition.target.matures_after
    stop = gap
    if training.early_stopping:
        stop = _time_at(known.filter(pl.col(TIME) < gap), 1 - training.stopping_share, plan)
    return Split(stop=stop, gap=gap, holdout=holdout, matured=matured)


def part_of_row(definition: Definition, split: Split, columns: list[str]) -> pl.Expr:
    """Give each row's part: by its time, or by a seeded hash of its key where there is no time.

    Without a key the whole row is hashed, so that its duplicates fall into the same part.
    """
    training = definition.training
    if split.holdout is None:
        hashed = pl.struct(definition.extract.key or columns).hash(training.seed)
        share = hashed.cast(pl.Float64) / 2.0**64
        assert isinstance(training.holdout, float)
        fit = 1 - training.holdout
        if training.early_stopping:
            fit *= 1 - training.stopping_share
        stop = gap = 1 - training.holdout
        place, bounds = share, (fit, stop, gap)
    else:
        place, bounds = pl.col(TIME), (split.stop, split.gap, split.holdout)
    parts = [(place >= bound).cast(pl.UInt8) for bound in bounds]
    return pl.sum_horizontal(parts).cast(pl.UInt8)


def learn_categories(plan: Plan, training: pl.LazyFrame) -> dict[str, tuple[str, ...]]:
    """Freeze each category's levels: those that training saw often enough."""
    limits = plan.definition.training
    evaluated = training.select(feature_expressions(plan.features)).select(plan.features.categories)
    counts = pl.collect_all(
        evaluated.group_by(pl.col(name).alias("level")).agg(pl.len().alias("count"))
        for name in plan.features.categories
    )
    return {
        name: learn_levels(count, limits.category_rows, limits.category_levels)
        for name, count in zip(plan.features.categories, counts, strict=True)
    }


def number_rows(plan: Plan, vocabulary: Vocabulary, rows: pl.LazyFrame) -> pl.LazyFrame:
    """Turn labelled rows into model input, beside their target, part, time and row number."""
    kept = (ROW, TIME, TARGET, PART)
    evaluated = rows.select(*kept, *feature_expressions(plan.features))
    schema = evaluated.collect_schema()
    return evaluated.select(*kept, *encode_expressions(plan.features, vocabulary, schema))


def _time_at(rows: pl.LazyFrame, share: float, plan: Plan) -> datetime:
    time: datetime | None = rows.select(
        pl.col(TIME).sort().gather((pl.len() * share).floor().cast(pl.UInt32)).first()
    ).collect().item()
    if time is None:
        raise DataRefused(f"{plan.origin}: too few labelled rows to split by time")
    return time


def _count_parts(path: Path) -> dict[str, int]:
    counts = dict(pl.scan_ipc(path).group_by(PART).len().collect().iter_rows())
    return {part.name.lower(): counts.get(int(part), 0) for part in Part}


def _refuse_unlearnable(plan: Plan, path: Path, classes: tuple[str, ...]) -> None:
    """Refuse a split in which nothing can be learned or judged, and say what would help."""
    where, kind = f"{plan.origin}: [target] value", plan.definition.target.kind
    rows = pl.scan_ipc(path)
    for name, parts in (("training", pl.col(PART) <= Part.STOP), ("holdout", pl.col(PART) == Part.HOLDOUT)):
        counts = dict(rows.filter(parts).group_by(TARGET).len().collect().iter_rows())
        if sum(counts.values()) < _PART_ROWS:
            raise DataRefused(
                f"{where}: leaves {sum(counts.values())} labelled rows for {name}, and {_PART_ROWS} "
                "are needed; give more data, another --as-of, or change [training] holdout"
            )
        if kind != "regression" and len(counts) < 2:
            only = f"{classes[int(next(iter(counts)))]!r}" if classes else next(iter(counts))
            raise DataRefused(f"{where}: is always {only} in {name}; two classes are needed")
        if kind == "regression" and len(counts) < 2:
            raise DataRefused(f"{where}: is always {next(iter(counts))} in {name}")
        for place, label in enumerate(classes if name == "training" else ()):
            if counts.get(place, 0) < _CLASS_ROWS:
                raise DataRefused(
                    f"{where}: class {label!r} has {counts.get(place, 0)} rows in training, and "
                    f"{_CLASS_ROWS} are needed; merge it with another by CASE or leave it out"
                )


@task(name="preparation", cache_policy=NO_CACHE)
def prepare(plan: Plan, snapshot: Snapshot, folder: Path) -> Prepared:
    """Label, split and number the snapshot's rows."""
    prepared = prepare_rows(plan, snapshot, folder)
    counts = ", ".join(f"{rows:,} {part}" for part, rows in prepared.rows.items() if rows)
    log.info("%s rows", counts)
    return prepared
