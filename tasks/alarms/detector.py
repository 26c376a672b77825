"""Alarms: whether a window of rows looks like broken data, or like a world that was not learned.

Owns the signs, the scale on which each is judged, and thresholds that keep to a budget of false
alarms. The two kinds are told apart by what a window is held against:

- `data-broken`: the window against those just before it. Seasons move slowly and take these along;
  a changed unit, a fan-out, a flood of nulls, a shifted clock and a renamed level come at once.
  A person should look: to retrain on it would be harmful.
- `distribution-moved`: the window against all that the model learned from. What counts is the
  share of it that lies where there were few rows to learn from, by how much features matter.

Pure: counts in, alarms out. Refuses to know where rows come from and who hears of an alarm.
"""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Literal

import numpy as np
import polars as pl

from tasks.alarms.distances import compare_shares, measure_newness, measure_signs
from tasks.alarms.histograms import (
    FIRST,
    MISSING,
    RECENT,
    REPEATED,
    UNSEEN,
    Gauge,
    Window,
    count_history,
    count_window,
    make_gauges,
    watch_columns,
)
from tasks.alarms.thresholds import (
    DistanceKey,
    Limit,
    draw_paths,
    find_limits,
    find_threshold,
    measure_newness_within,
    resample_signs,
)
from tasks.core.columns import TIME
from tasks.core.definition import Definition, Frozen
from tasks.features.transform import Features

AlarmKind = Literal["data-broken", "distribution-moved"]

_QUARTER = timedelta(days=91)
_MOST_STRETCHES = 4_000  # of history that are counted one by one: eleven years of days
_LONGEST = 400  # stretches that are resampled in a row: of short ones, a part of a quarter
_LEAST_NEW = 0.02
_ENOUGH = 0.9  # of a window's rows
_NAMED = 3


class Alarm(Frozen):
    """What rings: `score` is above `threshold`; `columns` name what moved, the furthest first."""

    kind: AlarmKind
    name: str
    score: float
    threshold: float
    columns: tuple[str, ...]
    detail: str


class Calibration(Frozen):
    """All that judging a champion's windows takes; made once from the history that it knows.

    `learned` and `latest` are counts by column: of all history, and of its last windows. `rows` are
    those of a usual window; `newness` is the most that is usual.
    """

    gauges: tuple[Gauge, ...]
    learned: dict[str, tuple[float, ...]]
    latest: dict[str, tuple[float, ...]]
    rows: float
    limits: tuple[Limit, ...]
    newness: float
    quarters: int
    budget: float


def calibrate(
    definition: Definition,
    features: Features,
    importance: Mapping[str, float],
    history: pl.DataFrame,
    budget: float | None = None,
    seed: int = 1,
) -> Calibration:
    """Settle gauges and limits on the history that a champion learned from.

    `history` is raw rows with their event time (`windows.TIME`) and `windows.PREDICTION`, as
    `watch_columns` takes them. Half of the budget is each kind's. Where windows are so short that a
    quarter has very many, a part of it is resampled, with its part of the budget.
    """
    allowed = definition.monitoring.false_alarms if budget is None else budget
    watched = watch_columns(definition, features, history)
    gauges = make_gauges(watched, importance)
    window, length = split_window(definition.monitoring.window)
    newest = pl.col(TIME) > pl.col(TIME).max() - _MOST_STRETCHES * length
    stretches = count_history(gauges, watched.filter(newest), length, window)
    learned = count_window(gauges, watched)
    quarter = round(_QUARTER / length)
    span = min(quarter, _LONGEST)
    share = allowed / 2 * span / quarter
    paths = draw_paths(len(stretches), window, span, seed)
    lead = (RECENT + 1) * window
    newness = measure_newness_within(gauges, stretches, window)[paths[:, lead - 1 :]]
    return Calibration(
        gauges=gauges,
        learned=_as_tuples(learned),
        latest=_as_tuples(stretches.take(slice(-RECENT * window, None)).total()),
        rows=float(stretches.rows.mean()) * window,
        limits=find_limits(
            dict(resample_signs(gauges, stretches, learned, paths, window)), share, window
        ),
        newness=max(_LEAST_NEW, find_threshold(newness, share, window)),
        quarters=len(paths),
        budget=allowed,
    )


def judge(calibration: Calibration, recent: Window | None, window: Window) -> tuple[Alarm, ...]:
    """Say what rings in a window, held against the windows before it and against what was learned.

    Where `recent` has fewer rows than a window (a champion is new), the end of its history takes
    its place. Few rows stray more than those of history did, and ring later.
    """
    now, learned = window.total(), _as_window(calibration.learned)
    usual, asked = calibration.rows, float(now.rows[0])
    enough = recent is not None and recent.rows.sum() >= _ENOUGH * min(usual, asked)
    before = recent.total() if recent and enough else _as_window(calibration.latest)
    few = max(1.0, float(np.sqrt(usual / max(min(asked, before.rows[0]), 1.0))))
    alarms = [*_judge_signs(calibration, before, now, learned, few)]
    alarms += _judge_newness(calibration, now, learned, few)
    return tuple(alarms)


def count_rows(
    calibration: Calibration, definition: Definition, features: Features, rows: pl.DataFrame
) -> Window:
    """Count raw rows (as in `calibrate`) the way that a calibration's history was counted."""
    return count_window(calibration.gauges, watch_columns(definition, features, rows))


def split_window(window: timedelta) -> tuple[int, timedelta]:
    """Cut a window into equal stretches, which are days where it is long enough."""
    if window >= timedelta(days=4):
        days = round(window / timedelta(days=1))
        return days, window / days
    return 4, window / 4


def _judge_signs(
    calibration: Calibration, before: Window, now: Window, learned: Window, few: float
) -> Iterator[Alarm]:
    again = compare_shares(now.repeated, now.rows, before.repeated, before.rows)
    found: dict[DistanceKey, float] = {(REPEATED, "repeated"): float(again[0])}
    for gauge in calibration.gauges:
        sides = (each.columns[gauge.column][0] for each in (before, now, learned))
        signs = measure_signs(gauge, *sides)
        found |= {(gauge.column, sign): float(value) for sign, value in signs.items()}
    limits: dict[DistanceKey, float] = {
        (each.column, each.sign): each.most * few for each in calibration.limits
    }
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
            detail=_say_sign(worst, before, now, found[worst], limits[worst]),
        )


def _say_sign(key: DistanceKey, before: Window, now: Window, value: float, most: float) -> str:
    """Say in a line what is wrong with a column."""
    column, sign = key
    if sign == "repeated":
        was, is_ = (each.repeated[0] / max(each.rows[0], 1) for each in (before, now))
        return f"{is_:.1%} of rows repeat a key, {was:.1%} in the windows before"
    old, new = (each.columns[column][0] for each in (before, now))
    if sign == "missing":
        was, is_ = (
            each[MISSING] / max(each[MISSING] + each[FIRST:].sum(), 1) for each in (old, new)
        )
        return f"{column}: missing in {is_:.1%} of rows, in {was:.1%} of the windows before"
    if sign == "unseen":
        was, is_ = (each[UNSEEN] / max(each[FIRST:].sum(), 1) for each in (old, new))
        return f"{column}: {is_:.1%} of values were never seen, {was:.1%} in the windows before"
    if sign == "shift":
        return f"{column}: values went {value:.1f} standard deviations at once (usual: {most:.1f})"
    what = "the hours of the day lie" if sign == "clock" else "values lie"
    return f"{column}: {what} elsewhere at once (distance {value:.2f} of 1, usual: {most:.2f})"


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


def _as_tuples(window: Window) -> dict[str, tuple[float, ...]]:
    kept = {name: tuple(counts[0].tolist()) for name, counts in window.columns.items()}
    return kept | {REPEATED: (float(window.rows[0]), float(window.repeated[0]))}


def _as_window(counts: Mapping[str, tuple[float, ...]]) -> Window:
    rows, repeated = counts[REPEATED]
    columns = {name: np.array([each]) for name, each in counts.items() if name != REPEATED}
    return Window(np.array([rows]), np.array([repeated]), columns)
