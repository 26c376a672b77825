"""The base rate followed: how far all log odds are to be moved, by the labels that have matured.

Responsible for which answers count, and how much, and when a correction is written. An answer
counts by half for each [serving] follow_base_rate of its age, whichever version gave it, by the
probability that it had without any correction. The offset is the one of maximum likelihood (Elkan
2001; King and Zeng 2001), within bounds, at most one a day. Not responsible for the files
(`registry.corrections`).
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from tasks.core.columns import (
    LOGGED_CORRECTION,
    LOGGED_PREDICTION,
    LOGGED_VERSION,
    PREDICTION,
    TARGET,
    TIME,
    WEIGHT,
)
from tasks.core.definition import Definition, Frozen
from tasks.core.errors import PerennialError, first_line
from tasks.evaluation.metrics import Array
from tasks.evaluation.prior_shift import find_offset
from tasks.monitoring.context import MonitoringContext, ServedRows
from tasks.monitoring.ground_truth_join import GroundTruth
from tasks.registry.corrections import (
    FARTHEST,
    Correction,
    read_corrections,
    write_correction,
)
from tasks.registry.versions import find_version
from tasks.storage.store import Store, open_store
from tasks.training.published_model import read_definition
from tasks.training.recalibration import shift_odds

FEWEST, _FEWEST_OF_A_CLASS = 100, 10
_EVERY = timedelta(days=1)
_SAME = 0.01  # log odds: at most .0025 of a probability
REACH = 4  # half-lives, after which an answer counts by a sixteenth, and is left out


class BaseRate(Frozen):
    """What became of following the base rate: the correction that counts, and what was seen.

    `written` says that this look wrote it. `reason` says why none was.
    """

    correction: Correction | None = None
    written: bool = False
    reason: str = ""


def follow_base_rate(
    watch: MonitoringContext, asked: ServedRows, outcomes: GroundTruth
) -> BaseRate | None:
    """Write the next correction, if the labels ask for one; None where no base rate is followed.

    A look as of a time in the past writes nothing.
    """
    half_life = watch.definition.serving.follow_base_rate
    if half_life is None:
        return None
    store, name = open_store(watch.root), watch.definition.name
    try:
        known = read_corrections(store, name)
    except PerennialError as error:
        return BaseRate(reason=first_line(error))
    last = known[max(known)] if known else None
    end = asked.until - watch.definition.target.matures_after
    since = max(end - REACH * half_life, asked.since)
    rows = list_answers(watch, store, outcomes, known, since, end)
    reason = explain_none(watch, rows, last, end)
    if reason:
        return BaseRate(correction=last, reason=reason)
    made = make_correction(watch, weigh_answers(rows, end, half_life), last, since, end)
    if last is not None and abs(made.offset - last.offset) < _SAME:
        return BaseRate(correction=last, reason="the base rate is where it was")
    try:
        write_correction(store, made)
    except FileExistsError:
        return BaseRate(correction=last, reason="another look wrote the next correction meanwhile")
    return BaseRate(correction=made, written=True)


def list_answers(
    watch: MonitoringContext,
    store: Store,
    outcomes: GroundTruth,
    known: dict[int, Correction],
    since: datetime,
    until: datetime,
) -> pl.DataFrame:
    """List labelled answers of a period, each with its probability without any correction."""
    rows = pl.read_ipc(outcomes.path).filter(
        pl.col(TIME) > since, pl.col(TIME) <= until, pl.col(TARGET).is_not_null()
    )
    alike = [
        version
        for version in rows[LOGGED_VERSION].unique()
        if _predicts_alike(watch.definition, store, version)
    ]
    rows = rows.filter(pl.col(LOGGED_VERSION).is_in(alike)).drop_nulls(PREDICTION)
    plain, told = undo_corrections(rows, rows[PREDICTION].to_numpy(), known)
    return rows.with_columns(pl.Series(PREDICTION, plain)).filter(pl.Series(told, dtype=pl.Boolean))


def plain_answers(store: Store, definition: Definition, rows: pl.DataFrame) -> pl.DataFrame:
    """Name logged answers as predictions, as they were without their correction.

    An alarm on predictions would ring for what was corrected on purpose.
    """
    named = rows.rename({LOGGED_PREDICTION: PREDICTION})
    if LOGGED_CORRECTION not in named.columns:
        return named
    known = read_corrections(store, definition.name)
    plain, _ = undo_corrections(named, named[PREDICTION].to_numpy(), known)
    return named.with_columns(pl.Series(PREDICTION, plain))


def undo_corrections(
    rows: pl.DataFrame, predicted: Array, known: dict[int, Correction]
) -> tuple[Array, Array]:
    """Give answers as they were without their correction, and which of them can be told."""
    offsets, told = list_offsets(rows, known)
    return np.asarray(shift_odds(predicted, -offsets)), told


def list_offsets(rows: pl.DataFrame, known: dict[int, Correction]) -> tuple[Array, Array]:
    """Give the offset that each logged answer has in it, and whether its correction is known."""
    if LOGGED_CORRECTION not in rows.columns:
        return np.zeros(len(rows)), np.ones(len(rows), dtype=bool)
    numbers = rows[LOGGED_CORRECTION].fill_null(0).to_list()
    offsets: dict[Any, float] = {0: 0.0, **{each: known[each].offset for each in known}}
    told = np.array([number in offsets for number in numbers], dtype=bool)
    return np.array([offsets.get(number, 0.0) for number in numbers]), told


def explain_none(
    watch: MonitoringContext, rows: pl.DataFrame, last: Correction | None, end: datetime
) -> str:
    """Say why there is nothing to correct by yet, or nothing."""
    if watch.asked is not None:
        return "a look as of another time writes no correction"
    if last is not None and end - last.until < _EVERY:
        return f"correction {last.number} is less than a day old"
    if not is_enough(rows[TARGET].to_numpy()):
        return (
            f"{len(rows):,} answers of the window have a label; {FEWEST} are needed, and "
            f"{_FEWEST_OF_A_CLASS} of either class"
        )
    return ""


def is_enough(target: Array) -> bool:
    """Tell whether labels are enough to correct by."""
    rarer = min(float(target.sum()), len(target) - float(target.sum()))
    return len(target) >= FEWEST and rarer >= _FEWEST_OF_A_CLASS


def weigh_answers(rows: pl.DataFrame, until: datetime, half_life: timedelta) -> pl.DataFrame:
    """Say what answers count, by their age.

    A sum that forgets is steadier than a window of the same delay: days that only happened to be
    bad leave it slowly, and so move the days after them less against each other.
    """
    ages = (until - pl.col(TIME)) / half_life
    return rows.with_columns((0.5**ages).alias(WEIGHT))


def bound_offset(rows: pl.DataFrame) -> float:
    """Find the offset of all log odds that weighed answers ask for, within bounds."""
    rate, weights = average(rows, TARGET), rows[WEIGHT].to_numpy()
    found = find_offset(rate, rows[PREDICTION].to_numpy(), weights)
    return float(np.clip(found, -FARTHEST, FARTHEST))


def average(rows: pl.DataFrame, column: str) -> float:
    return float(np.average(rows[column].to_numpy(), weights=rows[WEIGHT].to_numpy()))


def make_correction(
    watch: MonitoringContext,
    rows: pl.DataFrame,
    last: Correction | None,
    since: datetime,
    until: datetime,
) -> Correction:
    return Correction(
        number=last.number + 1 if last else 1,
        model=watch.definition.name,
        version=watch.version,
        time=datetime.now(UTC),
        since=since,
        until=until,
        rows=len(rows),
        predicted=average(rows, PREDICTION),
        observed=average(rows, TARGET),
        before=last.offset if last else 0.0,
        offset=bound_offset(rows),
    )


def describe_base_rate(found: BaseRate) -> str:
    """Say which correction counts, and what it comes of."""
    correction = found.correction
    if correction is None:
        return f"no correction yet: {found.reason}"
    said = (
        f"correction {correction.number} moves log odds by {correction.offset:+.3f}, after "
        f"{correction.before:+.3f}: of {correction.rows:,} labelled answers, newer ones counting "
        f"more, {correction.predicted:.1%} was predicted and {correction.observed:.1%} came true"
    )
    return said if found.written else f"{said}; {found.reason}"


def _predicts_alike(definition: Definition, store: Store, version: str) -> bool:
    """Tell whether a version predicted what is labelled now; one that is gone cannot tell."""
    try:
        published = find_version(store, definition.name, version)
        if published is None:
            return False
        return read_definition(store, published).target == definition.target
    except PerennialError:
        return False
