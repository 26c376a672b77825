"""Drift thresholds: how far served rows may move before an alarm is raised.

They are set so that history without a fault raises no more false alarms in a quarter of a year
than the budget allows ([monitoring] false_alarms). Quarters are resampled from the champion's
history by a block bootstrap (Künsch 1989) whose blocks stay near their season. Not responsible for
the decision on a window (`drift_decision`).
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from tasks.alarms.calibration import Calibration, Limit
from tasks.alarms.distances import (
    Array,
    DistanceKey,
    Sign,
    compare_shares,
    measure_newness,
    measure_signs,
)
from tasks.alarms.drift_decision import split_window
from tasks.alarms.histograms import (
    RECENT,
    REPEATED,
    Counts,
    Gauge,
    Window,
    count_history,
    count_window,
    make_gauges,
    watch_columns,
)
from tasks.core.columns import TIME
from tasks.core.definition import Definition
from tasks.features.transform import Features

Paths = npt.NDArray[np.int64]

_QUARTER = timedelta(days=91)
_MOST_CHUNKS = 4_000  # of history that are counted one by one: eleven years of days
_LONGEST = 400  # chunks that are resampled in a row: of short ones, a part of a quarter
_LEAST_NEW = 0.02
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


def calibrate(
    definition: Definition,
    features: Features,
    importance: Mapping[str, float],
    history: pl.DataFrame,
    budget: float | None = None,
    seed: int = 1,
) -> Calibration:
    """Set the thresholds by the history that a champion learned from.

    `history` is raw rows with their event time (`TIME`) and `PREDICTION`, as `watch_columns` takes
    them. Each kind of alarm gets half of the budget. Where windows are so short that a quarter has
    very many, a part of it is resampled, with its part of the budget. `budget` is false alarms in a
    quarter, the definition's by default.
    """
    allowed = definition.monitoring.false_alarms if budget is None else budget
    watched = watch_columns(definition, features, history)
    gauges = make_gauges(watched, importance)
    window, length = split_window(definition.monitoring.window)
    newest = pl.col(TIME) > pl.col(TIME).max() - _MOST_CHUNKS * length
    chunks = count_history(gauges, watched.filter(newest), length, window)
    learned = count_window(gauges, watched)
    quarter = round(_QUARTER / length)
    span = min(quarter, _LONGEST)
    share = allowed / 2 * span / quarter
    paths = draw_paths(len(chunks), window, span, seed)
    lead = (RECENT + 1) * window
    newness = measure_newness_within(gauges, chunks, window)[paths[:, lead - 1 :]]
    return Calibration(
        gauges=gauges,
        learned=_as_tuples(learned),
        latest=_as_tuples(chunks.take(slice(-RECENT * window, None)).total()),
        rows=float(chunks.rows.mean()) * window,
        limits=find_limits(
            dict(resample_signs(gauges, chunks, learned, paths, window)), share, window
        ),
        newness=max(_LEAST_NEW, find_threshold(newness, share, window)),
        quarters=len(paths),
        budget=allowed,
    )


def draw_paths(chunks: int, window: int, quarter: int, seed: int) -> Paths:
    """Resample quarters without a fault from history: places of chunks, shape (quarters, chunks).

    Moving blocks (Künsch 1989) as long as a window keep the order of days and their weekdays. Each
    is drawn from near its place in the year, so that seasons go on at their own pace; where history
    ends, the path turns round.
    """
    rng, lead = np.random.default_rng(seed), (RECENT + 1) * window
    blocks = -(-(quarter + lead) // window)
    last = max(chunks - window, 0)
    start = rng.integers(0, last + 1, _QUARTERS)[:, None]
    strays = rng.integers(-_DRIFT, _DRIFT + 1, (_QUARTERS, blocks))
    at = start + window * (np.arange(blocks) + strays)
    phase = start % window
    turns = np.maximum((last - phase) // window, 1)  # the last whole block of this phase
    block = np.abs(((at - phase) // window + turns) % (2 * turns) - turns)
    days = (phase + window * block)[:, :, None] + np.arange(window)
    within = np.minimum(days.reshape(_QUARTERS, -1), chunks - 1)
    return np.asarray(within[:, : quarter + lead])


def resample_signs(
    gauges: Iterable[Gauge],
    chunks: Window,
    learned: Window,
    paths: Paths,
    window: int,
) -> Iterator[tuple[DistanceKey, Array]]:
    """Measure each sign in each window of each quarter; shape (quarters, windows)."""

    def slide(counts: Counts) -> tuple[Array, Array]:
        sums = np.cumsum(counts[paths], axis=1)
        sums = np.concatenate([np.zeros_like(sums[:, :1]), sums], axis=1)
        lead = (RECENT + 1) * window
        now, before, start = sums[:, lead:], sums[:, lead - window : -window], sums[:, :-lead]
        return now - before, before - start

    rows, rows_before = slide(chunks.rows[:, None])
    again, again_before = slide(chunks.repeated[:, None])
    found = compare_shares(again, rows, again_before, rows_before)
    yield (REPEATED, "repeated"), found[..., 0]
    for gauge in gauges:
        now, before = slide(chunks.columns[gauge.column])
        signs = measure_signs(gauge, before, now, learned.columns[gauge.column])
        yield from (((gauge.column, sign), values) for sign, values in signs.items())


def measure_newness_within(gauges: Iterable[Gauge], chunks: Window, window: int) -> Array:
    """Measure how new each window of history is to the rest of it; one value for each last chunk.

    Neighbouring windows are alike, so those next to it are left out of the rest.
    """
    ends = np.arange(len(chunks)) + 1
    total = np.zeros(len(ends))
    for gauge in gauges:
        if gauge.weight:
            counts = chunks.columns[gauge.column]
            sums = np.concatenate([np.zeros_like(counts[:1]), np.cumsum(counts, axis=0)])
            now = sums[ends] - sums[np.maximum(ends - window, 0)]
            near = (
                sums[np.minimum(ends + window, len(counts))]
                - sums[np.maximum(ends - 2 * window, 0)]
            )
            total += gauge.weight * measure_newness(gauge, sums[-1] - near, now)
    return total


def find_threshold(scores: Array, allowed: float, window: int) -> float:
    """Find the least threshold with at most `allowed` alarms in an average quarter."""
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
    """Find limits that are equally rare for each sign, and together keep to `allowed` alarms."""
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
    """Count alarms in an average quarter; one that goes on in the next windows counts once.

    >>> count_alarms(np.array([[True, True, False, False, False, True]]), window=2)
    2.0
    """
    sums = np.cumsum(np.pad(rings, ((0, 0), (window + 1, 0))), axis=1)
    silent: npt.NDArray[np.bool_] = sums[:, window:-1] == sums[:, : -window - 1]
    return float((rings & silent).sum(axis=1).mean())


def _as_tuples(window: Window) -> dict[str, tuple[float, ...]]:
    kept = {name: tuple(counts[0].tolist()) for name, counts in window.columns.items()}
    return kept | {REPEATED: (float(window.rows[0]), float(window.repeated[0]))}
