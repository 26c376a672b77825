"""Preparation: a snapshot in; numbered rows, a split by time and a frozen vocabulary out.

Responsible for which rows are for training and which for the holdout. Not responsible for what
learns from them.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import cast

import polars as pl

from tasks.core.columns import GROUP, MATURED, ROLE, ROW, TARGET, TIME
from tasks.core.definition import Frozen
from tasks.core.errors import DataRefused, DefinitionError, first_line
from tasks.extraction.run_plan import Plan
from tasks.extraction.snapshot import Snapshot
from tasks.features.row_wise_check import hold_row_wise
from tasks.features.transform import (
    Vocabulary,
    encode_expressions,
    feature_expressions,
    learn_levels,
)
from tasks.preparation.groups import refuse_few_groups, refuse_ungrouped
from tasks.preparation.labels import label_rows, settle_target
from tasks.preparation.row_parts import Split as Split
from tasks.preparation.row_parts import SplitRole as SplitRole
from tasks.preparation.row_parts import group_of_row, split_by_hash
from tasks.preparation.row_parts import part_of_row as part_of_row
from tasks.preparation.weights import counted_columns, weigh_rows
from tasks.sources.file_formats import FAILURES
from tasks.storage.store import reaching

BATCH_ROWS = 200_000  # rows that are in memory at once, with all their columns
_PART_ROWS, _CLASS_ROWS = 50, 10


class Prepared(Frozen):
    """Numbered rows in one Arrow file, with what is needed to read and repeat it."""

    path: Path
    vocabulary: Vocabulary
    split: Split
    rows: dict[str, int]
    unlabelled: int
    immature: int

    def scan(self, *parts: SplitRole) -> pl.LazyFrame:
        rows = pl.scan_ipc(self.path)
        return rows.filter(pl.col(ROLE).is_in([int(part) for part in parts])) if parts else rows

    def batches(self, columns: Sequence[str], *parts: SplitRole) -> Iterator[pl.DataFrame]:
        """Read the rows of some parts in turn: a scan of every column would hold the whole file."""
        parted = self.scan().select(ROLE).collect()[ROLE]
        inside = parted.is_in([int(part) for part in parts])
        for start in range(0, len(inside), BATCH_ROWS):
            taken = inside[start : start + BATCH_ROWS]
            if taken.any():
                yield self.scan().slice(start, BATCH_ROWS).select(columns).collect().filter(taken)


def prepare_rows(plan: Plan, snapshot: Snapshot, folder: Path) -> Prepared:
    """Label, split, learn the vocabulary from training rows only, and number every feature."""
    target, classes = settle_target(plan.definition, plan.as_of, snapshot.scan(), plan.origin)
    rows = label_rows(plan.definition, plan.as_of, snapshot.scan(), target)
    matured, labelled = pl.col(MATURED), pl.col(TARGET).is_not_null()
    unlabelled, immature = rows.select(
        (matured & ~labelled).sum().alias("unlabelled"), (~matured).sum().alias("immature")
    ).collect().row(0)  # fmt: skip
    known = weigh_rows(plan, rows.filter(matured, labelled))
    refuse_ungrouped(plan, known)
    columns = snapshot.scan().collect_schema().names()
    split = split_by_time(plan, known) if plan.as_of else split_by_hash(plan.definition, columns)
    parted = known.with_columns(part_of_row(plan.definition, split, columns).alias(ROLE))
    path = folder / "prepared.arrow"
    with reaching(str(path)), _naming_feature(plan, parted):
        hold_row_wise(plan.features, parted, plan.origin)
        categories = learn_categories(plan, parted.filter(pl.col(ROLE) <= SplitRole.STOP))
        vocabulary = Vocabulary(categories=categories, classes=classes)
        number_rows(plan, vocabulary, parted).sink_ipc(path)
    return Prepared(
        path=path,
        vocabulary=vocabulary,
        split=split,
        rows=_count_parts(plan, path, classes),
        unlabelled=unlabelled,
        immature=immature,
    )


def split_by_time(plan: Plan, known: pl.LazyFrame) -> Split:
    """Find where each part begins. Rows of one moment always fall into the same part."""
    training, as_of = plan.definition.training, plan.as_of
    assert as_of is not None
    matured = as_of - plan.definition.target.matures_after
    if isinstance(training.holdout, timedelta):
        holdout = matured - training.holdout
    else:
        holdout = _time_at(known, 1 - training.holdout, plan)
    gap = holdout - plan.definition.target.matures_after
    stop: datetime | None = gap
    if training.group is not None:
        stop = None
    elif training.early_stopping:
        stop = _time_at(known.filter(pl.col(TIME) < gap), 1 - training.stopping_share, plan)
    return Split(stop=stop, gap=gap, holdout=holdout, matured=matured)


def learn_categories(plan: Plan, training: pl.LazyFrame) -> dict[str, tuple[str, ...]]:
    """Freeze each category's levels: those that training saw often enough."""
    limits = plan.definition.training
    evaluated = training.select(feature_expressions(plan.features)).select(plan.features.categories)
    # One after the other: together, Polars would keep what they share in memory.
    counts = {
        name: evaluated.group_by(pl.col(name).alias("level")).agg(pl.len().alias("count")).collect()
        for name in plan.features.categories
    }
    return {
        name: learn_levels(count, limits.category_rows, limits.category_levels)
        for name, count in counts.items()
    }


def number_rows(plan: Plan, vocabulary: Vocabulary, rows: pl.LazyFrame) -> pl.LazyFrame:
    """Turn labelled rows into model input, beside their target, part, time and row number."""
    kept, group = [ROW, TIME, TARGET, ROLE, *counted_columns(plan)], group_of_row(plan.definition)
    if group is not None:
        kept, rows = [*kept, GROUP], rows.with_columns(group.hash().alias(GROUP))
    evaluated = rows.select(*kept, *feature_expressions(plan.features))
    schema = evaluated.collect_schema()
    return evaluated.select(*kept, *encode_expressions(plan.features, vocabulary, schema))


def _time_at(rows: pl.LazyFrame, share: float, plan: Plan) -> datetime:
    place = (pl.len() * share).floor().cast(pl.UInt32)
    found = rows.select(pl.col(TIME).sort().get(place, null_on_oob=True)).collect().item()
    if found is None:
        raise DataRefused(
            f"{plan.origin}: no labelled row is left to train on before the holdout; give more "
            "history, or a shorter [training] holdout or [target] matures_after"
        )
    return cast(datetime, found)


@contextmanager
def _naming_feature(plan: Plan, rows: pl.LazyFrame) -> Iterator[None]:
    """Say which feature it is that fails on the data."""
    try:
        yield
    except FAILURES as error:
        for name in plan.features.expressions:
            try:
                rows.select(plan.features.expression(name)).select(pl.all().null_count()).collect()
            except FAILURES as failure:
                raise DefinitionError(
                    f"{plan.origin}: [features] {name}: fails on the data: {first_line(failure)}; "
                    "mend the values in [extract] query, or let TRY_CAST make them missing"
                ) from error
        raise


def _count_parts(plan: Plan, path: Path, classes: tuple[str, ...]) -> dict[str, int]:
    """Count each part's rows; refuse a split in which nothing can be learned or judged."""
    refuse_few_groups(plan, path)
    target = pl.col(TARGET)
    limits = (pl.len().alias("rows"), target.min().alias("least"), target.max().alias("most"))
    parts = pl.scan_ipc(path).group_by(ROLE).agg(limits).collect()
    training = pl.col(ROLE) <= SplitRole.STOP
    _refuse_unlearnable(plan, "training", parts.filter(training), classes)
    _refuse_unlearnable(plan, "holdout", parts.filter(pl.col(ROLE) == SplitRole.HOLDOUT), classes)
    found = dict(parts.select(ROLE, "rows").iter_rows())
    if not found.get(SplitRole.FIT):
        raise DataRefused(
            f"{plan.origin}: all training rows have one event time, so that early stopping leaves "
            "none; give more history, or set [training] early_stopping = 0"
        )
    if classes:
        seen = pl.scan_ipc(path).filter(training).group_by(TARGET).len().collect()
        _refuse_rare(plan, classes, dict(seen.iter_rows()))
    grouped = plan.definition.training.group is not None
    named = [part for part in SplitRole if grouped or part != SplitRole.GROUP]
    return {part.name.lower(): found.get(part, 0) for part in named}


def _refuse_unlearnable(
    plan: Plan, name: str, parts: pl.DataFrame, classes: tuple[str, ...]
) -> None:
    where, rows = f"{plan.origin}: [target] value", parts["rows"].sum()
    if rows < _PART_ROWS:
        other = "" if plan.as_of is None else " another --as-of,"  # known only where time is
        raise DataRefused(
            f"{where}: leaves {rows} labelled rows for {name}, and {_PART_ROWS} are needed; give "
            f"more data,{other} or change [training] holdout"
        )
    least, most = parts.select(pl.col("least").min(), pl.col("most").max()).row(0)
    if least == most:
        only = repr(classes[int(least)]) if classes else f"{least:g}"
        raise DataRefused(
            f"{where}: is {only} in every {name} row, which leaves nothing to learn or "
            "judge; give more data, or another [training] holdout"
        )


def _refuse_rare(plan: Plan, classes: tuple[str, ...], seen: Mapping[float, int]) -> None:
    counts = {label: seen.get(place, 0) for place, label in enumerate(classes)}
    rare = [label for label, count in counts.items() if count < _CLASS_ROWS]
    if rare:
        many = f" (and {len(rare) - 1} more classes have too few)" if rare[1:] else ""
        raise DataRefused(
            f"{plan.origin}: [target] value: class {rare[0]!r} has {counts[rare[0]]} rows in "
            f"training, and {_CLASS_ROWS} are needed{many}; merge it with another by CASE, or make "
            "it NULL to leave it out"
        )
