"""Quarters that could have been: resampled from a champion's history, which holds no fault.

Owns how they are drawn, and thresholds that ring in them no more often than a budget allows.
Refuses to know what a window is judged for.
"""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import numpy.typing as npt

from tasks.alarms.distances import Array, Sign, compare_shares, measure_newness, measure_signs
from tasks.alarms.histograms import RECENT, REPEATED, Counts, Gauge, Window
from tasks.core.definition import Frozen

DistanceKey = tuple[str, Sign]  # a column and what is wrong with it
Paths = npt.NDArray[np.int64]

_QUARTERS = 200
_DRIFT = 2  # windows by which a resampled block may lie off its place in the year
_LEAST: dict[Sign, float] = {  # smaller effects are not worth a person's time, however rare
    "missing": 0.08,
    "unseen": 0.08,
    "repeated": 0.06,
    "clock": 0.1,
    "shape": 0.15,
    "shift": 0.4,
}
_MARGIN = 1.3  # a history is short: the next quarter holds what none of it did


class Limit(Frozen):
    """How far a column may go by one sign, from one window to the next, before it rings."""

    column: str
    sign: Sign
    most: float


def draw_paths(stretches: int, window: int, quarter: int, seed: int) -> Paths:
    """Draw quarters without a fault from history; shape (quarters, stretches of it).

    Blocks as long as a window keep days in their order and weekdays in their places. Each is drawn
    from near its place in the year, so that the season goes on at its own pace; where history ends,
    the path turns round.
    """
    rng, lead = np.random.default_rng(seed), (RECENT + 1) * window
    blocks = -(-(quarter + lead) // window)
    last = max(stretches - window, 0)
    start = rng.integers(0, last + 1, _QUARTERS)[:, None]
    strays = rng.integers(-_DRIFT, _DRIFT + 1, (_QUARTERS, blocks))
    at = start + window * (np.arange(blocks) + strays)
    phase = start % window
    turns = np.maximum((last - phase) // window, 1)  # the last whole block of this phase
    block = np.abs(((at - phase) // window + turns) % (2 * turns) - turns)
    days = (phase + window * block)[:, :, None] + np.arange(window)
    within = np.minimum(days.reshape(_QUARTERS, -1), stretches - 1)
    return np.asarray(within[:, : quarter + lead])


def resample_signs(
    gauges: Iterable[Gauge],
    stretches: Window,
    learned: Window,
    paths: Paths,
    window: int,
) -> Iterator[tuple[DistanceKey, Array]]:
    """Measure every sign in each window of each quarter; a value a window, shape as `paths`."""

    def slide(counts: Counts) -> tuple[Array, Array]:
        sums = np.cumsum(counts[paths], axis=1)
        sums = np.concatenate([np.zeros_like(sums[:, :1]), sums], axis=1)
        lead = (RECENT + 1) * window
        now, before, start = sums[:, lead:], sums[:, lead - window : -window], sums[:, :-lead]
        return now - before, before - start

    rows, rows_before = slide(stretches.rows[:, None])
    again, again_before = slide(stretches.repeated[:, None])
    found = compare_shares(again, rows, again_before, rows_before)
    yield (REPEATED, "repeated"), found[..., 0]
    for gauge in gauges:
        now, before = slide(stretches.columns[gauge.column])
        signs = measure_signs(gauge, before, now, learned.columns[gauge.column])
        yield from (((gauge.column, sign), values) for sign, values in signs.items())


def measure_newness_within(gauges: Iterable[Gauge], stretches: Window, window: int) -> Array:
    """Measure how new each window of history is to the rest of it, by its last stretch.

    What is near in time is alike: the windows next to it are left out too.
    """
    ends = np.arange(len(stretches)) + 1
    total = np.zeros(len(ends))
    for gauge in gauges:
        if gauge.weight:
            counts = stretches.columns[gauge.column]
            sums = np.concatenate([np.zeros_like(counts[:1]), np.cumsum(counts, axis=0)])
            now = sums[ends] - sums[np.maximum(ends - window, 0)]
            near = (
                sums[np.minimum(ends + window, len(counts))]
                - sums[np.maximum(ends - 2 * window, 0)]
            )
            total += gauge.weight * measure_newness(gauge, sums[-1] - near, now)
    return total


def find_threshold(scores: Array, allowed: float, window: int) -> float:
    """Find the least threshold that rings no more often in a quarter, on average, than allowed."""
    candidates = np.unique(np.quantile(scores, np.linspace(0.5, 1, 400)))
    low, high = 0, len(candidates) - 1
    while low < high:
        middle = (low + high) // 2
        if count_alarms(scores > candidates[middle], window) <= allowed:
            high = middle
        else:
            low = middle + 1
    return float(candidates[low])


def find_limits(
    signs: Mapping[DistanceKey, Array], allowed: float, window: int
) -> tuple[Limit, ...]:
    """Find limits that are equally rare for every sign, and together ring no more than allowed."""
    tops = {key: found.max(axis=1) for key, found in signs.items()}

    def limit(share: float) -> dict[DistanceKey, float]:
        return {
            key: max(_LEAST[key[1]], float(np.quantile(top, share))) for key, top in tops.items()
        }

    rarest = 1.0
    for share in np.linspace(1, 0.5, 51):
        limits = limit(share)
        rings = np.any([found > limits[key] for key, found in signs.items()], axis=0)
        if count_alarms(rings, window) > allowed:
            break
        rarest = float(share)
    return tuple(
        Limit(column=column, sign=sign, most=_MARGIN * most)
        for (column, sign), most in limit(rarest).items()
    )


def count_alarms(rings: npt.NDArray[np.bool_], window: int) -> float:
    """Count alarms in an average quarter. What goes on ringing in the next windows is one alarm."""
    sums = np.cumsum(np.pad(rings, ((0, 0), (window + 1, 0))), axis=1)
    silent: npt.NDArray[np.bool_] = sums[:, window:-1] == sums[:, : -window - 1]
    return float((rings & silent).sum(axis=1).mean())
