"""A champion's calibration: what its windows are judged by, and how far one is by each sign.

Responsible for which windows are held against each other, and for a sign's score. Not responsible
for how limits are set (`thresholds`), nor for what is an alarm (`drift_decision`).
"""

from collections.abc import Mapping

import numpy as np

from tasks.alarms.distances import DistanceKey, Sign, compare_shares, measure_signs
from tasks.alarms.histograms import REPEATED, Gauge, Window
from tasks.core.definition import Frozen

_ENOUGH = 0.9  # of a window's rows


class Limit(Frozen):
    """The largest usual distance of a column from one window to the next, for one sign."""

    column: str
    sign: Sign
    most: float


class Calibration(Frozen):
    """What a champion's windows are judged by; `thresholds.calibrate` makes it once.

    `learned` and `latest` are counts by column: of all history, and of its last windows. `rows` is
    the size of a usual window, `newness` the largest usual score of `distribution-moved`.
    """

    gauges: tuple[Gauge, ...]
    learned: dict[str, tuple[float, ...]]
    latest: dict[str, tuple[float, ...]]
    rows: float
    limits: tuple[Limit, ...]
    newness: float
    quarters: int
    budget: float


def score_signs(
    calibration: Calibration, recent: Window | None, window: Window
) -> dict[DistanceKey, float]:
    """Score each sign of `data-broken` as `drift_decision.judge` does: above 1 it rings."""
    found, limits = measure_sides(calibration, *settle_sides(calibration, recent, window))
    return {key: found[key] / most for key, most in limits.items()}


def settle_sides(
    calibration: Calibration, recent: Window | None, window: Window
) -> tuple[Window, Window, Window, float]:
    """Give what a window is held against, itself, all that was learned, and how limits grow."""
    now, learned = window.total(), as_window(calibration.learned)
    usual, asked = calibration.rows, float(now.rows[0])
    enough = recent is not None and recent.rows.sum() >= _ENOUGH * min(usual, asked)
    before = recent.total() if recent and enough else as_window(calibration.latest)
    few = max(1.0, float(np.sqrt(usual / max(min(asked, before.rows[0]), 1.0))))
    return before, now, learned, few


def measure_sides(
    calibration: Calibration, before: Window, now: Window, learned: Window, few: float
) -> tuple[dict[DistanceKey, float], dict[DistanceKey, float]]:
    """Measure each sign, and give its limit."""
    again = compare_shares(now.repeated, now.rows, before.repeated, before.rows)
    found: dict[DistanceKey, float] = {(REPEATED, "repeated"): float(again[0])}
    for gauge in calibration.gauges:
        sides = (each.columns[gauge.column][0] for each in (before, now, learned))
        signs = measure_signs(gauge, *sides)
        found |= {(gauge.column, sign): float(value) for sign, value in signs.items()}
    return found, {(each.column, each.sign): each.most * few for each in calibration.limits}


def as_window(counts: Mapping[str, tuple[float, ...]]) -> Window:
    rows, repeated = counts[REPEATED]
    columns = {name: np.array([each]) for name, each in counts.items() if name != REPEATED}
    return Window(np.array([rows]), np.array([repeated]), columns)
