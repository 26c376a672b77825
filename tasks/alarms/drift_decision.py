"""A look for drift: which rows are held against which, and when nothing can be said yet.

The monitor and the backtest both ask here, so that what is replayed is what will be done. Owns the
edges of windows and what silences an alarm. Refuses to know where rows come from.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import polars as pl

from tasks.alarms.detector import Alarm, Calibration, judge, split_window
from tasks.alarms.histograms import RECENT, REPEATED, Window, watch_columns
from tasks.core.definition import Definition, Frozen
from tasks.features.transform import Features

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATE = 0.1  # of a window may have passed before the first answer, for it to count as a whole one


class ComparisonWindow(Frozen):
    """The rows after `begins`, up to `until`, are held against those after `since`.

    All but `until` are the edges of stretches, which have one `length`.
    """

    since: datetime
    begins: datetime
    until: datetime
    length: timedelta


class DriftDecision(Frozen):
    """What rings; or the `problem` that keeps alarms from being judged."""

    alarms: tuple[Alarm, ...] = ()
    problem: str = ""


def look_at(until: datetime, window: timedelta) -> ComparisonWindow:
    """Settle the last window and those that it is held against; a stretch that goes on is in it."""
    _, length = split_window(window)
    begins = start_of(until, length) + length - window
    return ComparisonWindow(
        since=begins - RECENT * window, begins=begins, until=until, length=length
    )


def start_of(moment: datetime, length: timedelta) -> datetime:
    """Give the start of the stretch that a moment belongs to."""
    before = moment - timedelta(microseconds=1)
    return _EPOCH + (before - _EPOCH) // length * length


def watch_served(definition: Definition, features: Features, rows: pl.DataFrame) -> pl.DataFrame:
    """Take what is watched from rows that were answered.

    Who asks about a row twice has no broken data: requests are not counted as repeats.
    """
    return watch_columns(definition, features, rows).with_columns(pl.lit(False).alias(REPEATED))


def decide(
    definition: Definition,
    calibration: Calibration,
    look: ComparisonWindow,
    first: datetime,
    before: Window | None,
    now: Window,
) -> DriftDecision:
    """Judge the last window of what a champion answered, where it has answered for long enough.

    `first` is the start of the first stretch that it answered in.
    """
    rows, least = int(now.rows.sum()), definition.monitoring.rows
    if rows < least:
        return DriftDecision(
            problem=f"{rows:,} rows in the last window, {least:,} are needed for an alarm"
        )
    if first > look.begins + _LATE * definition.monitoring.window:
        short = "the champion has answered for less than a window: no alarm is rung yet"
        return DriftDecision(problem=short)
    return DriftDecision(alarms=judge(calibration, before, now))


def list_ringing(alarms: Iterable[Alarm]) -> list[Alarm]:
    """List what is to be told: what looks broken has moved, too, and nobody retrains on it."""
    ringing = list(alarms)
    broken = [each for each in ringing if each.kind == "data-broken"]
    return broken or ringing
