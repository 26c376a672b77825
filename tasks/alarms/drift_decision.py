"""The drift decision: whether the last window of served rows raises an alarm, and which one.

The monitor and the backtest both decide here, with the same window edges. There are two kinds of
alarm, told apart by what the window is compared with:

- `data-broken`: compared with the windows just before it. Seasons move slowly and change both
  sides; a changed unit, a fan-out, a flood of nulls, a shifted clock and a renamed level come at
  once. A person should look: to retrain on such rows would be harmful.
- `distribution-moved`: compared with all rows that the model learned from. The score is the share
  of the window that lies where there were few rows to learn from, weighted by feature importance.

Not responsible for where rows come from, nor for who is told.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Literal

import polars as pl

from tasks.alarms.calibration import Calibration, measure_sides, settle_sides
from tasks.alarms.distances import describe_sign, measure_newness
from tasks.alarms.histograms import RECENT, REPEATED, Window, count_window, watch_columns
from tasks.core.definition import Definition, Frozen
from tasks.features.transform import Features

AlarmKind = Literal["data-broken", "distribution-moved"]

_NAMED = 3
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATE = 0.1  # of a window may have passed before the first answer, for it to count as a whole one


class Alarm(Frozen):
    """An alarm: `score` is above `threshold`; `columns` moved, the furthest first."""

    kind: AlarmKind
    name: str
    score: float
    threshold: float
    columns: tuple[str, ...]
    detail: str


class ComparisonWindow(Frozen):
    """Rows after `begins`, up to `until`, are compared with those after `since`, up to `begins`.

    `since` and `begins` are edges of chunks, which all have one `length`; `until` need not be.
    """

    since: datetime
    begins: datetime
    until: datetime
    length: timedelta


class DriftDecision(Frozen):
    """The alarms of a window; or the `problem`: why nothing can be decided yet."""

    alarms: tuple[Alarm, ...] = ()
    problem: str = ""


def last_window(until: datetime, window: timedelta) -> ComparisonWindow:
    """Give the last window, which ends with the chunk that `until` is in, and those before it."""
    _, length = split_window(window)
    begins = start_of(until, length) + length - window
    return ComparisonWindow(
        since=begins - RECENT * window, begins=begins, until=until, length=length
    )


def split_window(window: timedelta) -> tuple[int, timedelta]:
    """Cut a window into equal chunks: days, or quarters of a window shorter than four days.

    >>> split_window(timedelta(days=7))
    (7, datetime.timedelta(days=1))
    """
    if window >= timedelta(days=4):
        days = round(window / timedelta(days=1))
        return days, window / days
    return 4, window / 4


def start_of(moment: datetime, length: timedelta) -> datetime:
    """Give the start of the chunk that a moment belongs to; a chunk's end belongs to it."""
    before = moment - timedelta(microseconds=1)
    return _EPOCH + (before - _EPOCH) // length * length


def watch_served(definition: Definition, features: Features, rows: pl.DataFrame) -> pl.DataFrame:
    """Take the watched columns from served rows (raw, as `watch_columns` takes them).

    A row may be asked about twice: served rows are not counted as repeated keys.
    """
    return watch_columns(definition, features, rows).with_columns(pl.lit(False).alias(REPEATED))


def decide(
    definition: Definition,
    calibration: Calibration,
    compared: ComparisonWindow,
    first: datetime,
    before: Window | None,
    now: Window,
) -> DriftDecision:
    """Judge the last window of rows that a champion served, once it has served for long enough.

    `first` is the start of the first chunk with served rows.
    """
    rows, least = int(now.rows.sum()), definition.monitoring.rows
    if rows < least:
        return DriftDecision(
            problem=f"{rows:,} rows in the last window, {least:,} are needed for an alarm"
        )
    if first > compared.begins + _LATE * definition.monitoring.window:
        short = "the champion has answered for less than a window: no alarm is rung yet"
        return DriftDecision(problem=short)
    return DriftDecision(alarms=judge(calibration, before, now))


def judge(calibration: Calibration, recent: Window | None, window: Window) -> tuple[Alarm, ...]:
    """Compare a window with the `recent` ones and with all that was learned; give its alarms.

    Where `recent` has fewer rows than a window (the champion is new), the end of its history takes
    its place. Small windows vary more, so thresholds scale with sqrt(usual rows / actual rows).
    """
    before, now, learned, few = settle_sides(calibration, recent, window)
    alarms = [*_judge_signs(calibration, before, now, learned, few)]
    alarms += _judge_newness(calibration, now, learned, few)
    return tuple(alarms)


def list_ringing(alarms: Iterable[Alarm]) -> list[Alarm]:
    """List the alarms to send. Broken data has moved, too, but is no reason to retrain."""
    ringing = list(alarms)
    broken = [each for each in ringing if each.kind == "data-broken"]
    return broken or ringing


def count_rows(
    calibration: Calibration, definition: Definition, features: Features, rows: pl.DataFrame
) -> Window:
    """Count raw rows (as `calibrate` takes them) the way that history was counted."""
    return count_window(calibration.gauges, watch_columns(definition, features, rows))


def _judge_signs(
    calibration: Calibration, before: Window, now: Window, learned: Window, few: float
) -> Iterator[Alarm]:
    found, limits = measure_sides(calibration, before, now, learned, few)
    scores = {key: found[key] / most for key, most in limits.items()}
    ringing = sorted((key for key in scores if scores[key] > 1), key=lambda key: -scores[key])
    if ringing:
        worst = ringing[0]
        yield Alarm(
            kind="data-broken",
            name=worst[1],
            score=scores[worst],
            threshold=1.0,
            columns=tuple(dict.fromkeys(column for column, _ in ringing)),
            detail=describe_sign(worst, before, now, found[worst], limits[worst]),
        )


def _judge_newness(
    calibration: Calibration, now: Window, learned: Window, few: float
) -> Iterator[Alarm]:
    parts = {
        gauge.column: gauge.weight
        * float(
            measure_newness(gauge, learned.columns[gauge.column][0], now.columns[gauge.column][0])
        )
        for gauge in calibration.gauges
        if gauge.weight
    }
    score, threshold = sum(parts.values()), calibration.newness * few
    if score > threshold:
        ranked = sorted(parts, key=lambda column: -parts[column])
        named = tuple(column for column in ranked if parts[column] > 0.1 * score)
        yield Alarm(
            kind="distribution-moved",
            name="newness",
            score=score,
            threshold=threshold,
            columns=named,
            detail=f"{score:.1%} of what the model looks at lies where it had few rows to learn "
            f"from (rings above {threshold:.1%}): {', '.join(named[:_NAMED])}",
        )
