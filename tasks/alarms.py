"""Alarms: does a window of rows look like broken data, or like a world that the model did not learn?

Owns the signs, the scale on which each is judged, and thresholds that keep to a budget of false
alarms. The two kinds are told apart by what a window is held against:

- `data-broken`: the window against those just before it. Seasons move slowly and take these along;
  a changed unit, a fan-out, a flood of nulls, a shifted clock and a renamed level come at once.
  A person should look: to retrain on it would be harmful.
- `distribution-moved`: the window against all that the model learned from. What counts is the
  share of it that lies where there were few rows to learn from, by how much features matter.

Pure: counts in, alarms out. Refuses to know where rows come from and who hears of an alarm.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from tasks.definition import Definition, Frozen
from tasks.features import Features
from tasks.windows import (
    FIRST,
    MISSING,
    REPEATED,
    UNSEEN,
    Counts,
    Gauge,
    Window,
    count_history,
    count_window,
    make_gauges,
    watch_columns,
)

Array = npt.NDArray[np.float64]
Kind = Literal["data-broken", "distribution-moved"]
Sign = Literal["missing", "unseen", "repeated", "clock", "shape", "shift"]

_QUARTER = timedelta(days=91)
_QUARTERS = 200
_RECENT = 4  # windows that a window is held against
_DRIFT = 2  # windows by which a resampled block may lie off its place in the year
_FEW = 4  # times as many rows as there were to learn from, in the same bin, are new
_LEAST: dict[Sign, float] = {  # smaller effects are not worth a person's time, however rare
    "missing": 0.08,
    "unseen": 0.08,
    "repeated": 0.06,
    "clock": 0.1,
    "shape": 0.15,
    "shift": 0.4,
}
_LEAST_NEW = 0.02
_MARGIN = 1.3  # a history is short: the next quarter holds what none of it did
_NAMED = 3


class Limit(Frozen):
    """How far a column may go by one sign, from one window to the next, before it rings."""

    column: str
    sign: Sign
    most: float


class Alarm(Frozen):
    """What rings: `score` is above `threshold`; `columns` name what moved, the furthest first."""

    kind: Kind
    name: str
    score: float
    threshold: float
    columns: tuple[str, ...]
    detail: str


class Calibration(Frozen):
    """All that judging a champion's windows takes; made once from the history that it knows.

    `learned` and `latest` are counts by column: of all history, and of its last windows.
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
    """Settle scales and thresholds on the history that a champion learned from.

    `history` is raw rows with their event time (`windows.TIME`) and `windows.PREDICTION`, as
    `watch_columns` takes them. Half of the budget is each kind's.
    """
    allowed = definition.monitoring.false_alarms if budget is None else budget
    watched = watch_columns(definition, features, history)
    gauges = make_gauges(watched, importance)
    window, length = split_window(definition.monitoring.window)
    stretches = count_history(gauges, watched, length, window)
    learned = stretches.total()
    paths = draw_paths(len(stretches), window, round(_QUARTER / length), seed)
    lead = (_RECENT + 1) * window
    newness = measure_newness_within(gauges, stretches, window)[paths[:, lead - 1 :]]
    return Calibration(
        gauges=gauges,
        learned=_as_tuples(learned),
        latest=_as_tuples(stretches.take(slice(-_RECENT * window, None)).total()),
        rows=float(stretches.rows.mean()) * window,
        limits=find_limits(
            dict(resample_signs(gauges, stretches, learned, paths, window)), allowed / 2, window
        ),
        newness=max(_LEAST_NEW, find_threshold(newness, allowed / 2, window)),
        quarters=len(paths),
        budget=allowed,
    )


def judge(
    calibration: Calibration, recent: Window | None, window: Window
) -> tuple[Alarm, ...]:
    """Say what rings in a window, held against the windows before it and against what was learned.

    Without `recent` (a champion's first window), the end of its history takes its place.
    """
    before = recent.total() if recent and recent.rows.sum() else _as_window(calibration.latest)
    now, learned = window.total(), _as_window(calibration.learned)
    few = max(1.0, float(np.sqrt(calibration.rows / max(now.rows.sum(), 1.0))))
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


def draw_paths(stretches: int, window: int, quarter: int, seed: int) -> npt.NDArray[np.int64]:
    """Draw quarters without a fault from history; shape (quarters, stretches of it).

    Blocks as long as a window keep days in their order and weekdays in their places. Each is drawn
    from near its place in the year, so that the season goes on at its own pace; where history ends,
    the path turns round.
    """
    rng, lead = np.random.default_rng(seed), (_RECENT + 1) * window
    blocks = -(-(quarter + lead) // window)
    last = max(stretches - window, 0)
    start = rng.integers(0, last + 1, _QUARTERS)[:, None]
    strays = rng.integers(-_DRIFT, _DRIFT + 1, (_QUARTERS, blocks))
    at = start + window * (np.arange(blocks) + strays)
    phase = start % window
    turns = np.maximum((last - phase) // window, 1)  # the last whole block of this phase
    block = np.abs(((at - phase) // window + turns) % (2 * turns) - turns)
    days = (phase + window * block)[:, :, None] + np.arange(window)
    return np.minimum(days.reshape(_QUARTERS, -1), stretches - 1)[:, : quarter + lead]


def resample_signs(
    gauges: Iterable[Gauge],
    stretches: Window,
    learned: Window,
    paths: npt.NDArray[np.int64],
    window: int,
) -> Iterator[tuple[tuple[str, Sign], Array]]:
    """Measure every sign in each window of each quarter; a value a window, shape as `paths`."""

    def slide(counts: Counts) -> tuple[Array, Array]:
        sums = np.cumsum(counts[paths], axis=1)
        sums = np.concatenate([np.zeros_like(sums[:, :1]), sums], axis=1)
        lead = (_RECENT + 1) * window
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


def measure_signs(gauge: Gauge, before: Array, now: Array, learned: Array) -> dict[Sign, Array]:
    """Measure how far one column went from one window to another, in the ways that it can."""
    (old, was), (new, is_) = ((each[..., FIRST:], each[..., FIRST:].sum(-1)) for each in (before, now))
    signs: dict[Sign, Array] = {
        "missing": compare_shares(
            now[..., MISSING], now[..., MISSING] + is_, before[..., MISSING], before[..., MISSING] + was
        )
    }
    if gauge.kind == "hour":  # clocks may be put forward or back by an hour for the season
        turned = [measure_shape(np.roll(old, step, -1), new) for step in (-1, 0, 1)]
        return signs | {"clock": np.min(turned, axis=0)}
    signs["unseen"] = compare_shares(now[..., UNSEEN], is_, before[..., UNSEEN], was)
    signs["shape"] = measure_shape(old, new)
    if gauge.kind == "number":
        signs["shift"] = measure_shift(gauge, old, new, learned[..., FIRST:])
    return signs


def compare_shares(part: Array, whole: Array, part_before: Array, whole_before: Array) -> Array:
    """Measure the Hellinger distance between having something or not, before and now."""
    now = part / np.maximum(whole, 1)
    before = part_before / np.maximum(whole_before, 1)
    overlap = np.sqrt(now * before) + np.sqrt((1 - now) * (1 - before))
    return np.sqrt(np.maximum(0, 1 - overlap))


def measure_shape(old: Array, new: Array) -> Array:
    """Measure the Hellinger distance of two distributions; nothing is no distance from nothing."""
    overlap = np.sqrt(_shares(old) * _shares(new)).sum(-1)
    either = (old.sum(-1) > 0) & (new.sum(-1) > 0)
    return np.where(either, np.sqrt(np.maximum(0, 1 - overlap)), 0.0)


def measure_shift(gauge: Gauge, old: Array, new: Array, learned: Array) -> Array:
    """Measure how far values went (Wasserstein-1), in standard deviations of what was learned."""
    middles = gauge.middles
    share = _shares(learned)
    mean = share @ middles
    spread = np.sqrt(np.maximum(share @ middles**2 - mean**2, 0.0))
    apart = np.abs(np.cumsum(_shares(new) - _shares(old), axis=-1))[..., :-1]
    either = (old.sum(-1) > 0) & (new.sum(-1) > 0)
    return np.where(either, apart @ np.diff(middles) / np.maximum(spread, 1e-12), 0.0)


def measure_newness(gauge: Gauge, learned: Array, now: Array) -> Array:
    """Measure the share of rows that lie where the model had few to learn from."""
    places = [MISSING, *range(FIRST, gauge.places)]
    return np.maximum(0, _shares(now[..., places]) - _FEW * _shares(learned[..., places])).sum(-1)


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
            near = sums[np.minimum(ends + window, len(counts))] - sums[np.maximum(ends - 2 * window, 0)]
            total += gauge.weight * measure_newness(gauge, sums[-1] - near, now)
    return total


def find_limits(
    signs: Mapping[tuple[str, Sign], Array], allowed: float, window: int
) -> tuple[Limit, ...]:
    """Find limits that are equally rare for every sign, and together ring no more than allowed."""
    tops = {key: found.max(axis=1) for key, found in signs.items()}

    def limit(share: float) -> dict[tuple[str, Sign], float]:
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


def count_alarms(rings: npt.NDArray[np.bool_], window: int) -> float:
    """Count alarms in an average quarter. What goes on ringing in the next windows is one alarm."""
    sums = np.cumsum(np.pad(rings, ((0, 0), (window + 1, 0))), axis=1)
    silent = sums[:, window:-1] - sums[:, : -window - 1] == 0
    return float((rings & silent).sum(axis=1).mean())


def _judge_signs(
    calibration: Calibration, before: Window, now: Window, learned: Window, few: float
) -> Iterator[Alarm]:
    found: dict[tuple[str, Sign], float] = {
        (REPEATED, "repeated"): float(
            compare_shares(now.repeated, now.rows, before.repeated, before.rows)[0]
        )
    }
    for gauge in calibration.gauges:
        column = gauge.column
        signs = measure_signs(
            gauge, before.columns[column][0], now.columns[column][0], learned.columns[column][0]
        )
        found |= {(column, sign): float(value) for sign, value in signs.items()}
    scores = {
        (each.column, each.sign): found[each.column, each.sign] / (each.most * few)
        for each in calibration.limits
    }
    ringing = sorted((key for key in scores if scores[key] > 1), key=lambda key: -scores[key])
    if ringing:
        column, sign = ringing[0]
        yield Alarm(
            kind="data-broken",
            name=sign,
            score=scores[column, sign],
            threshold=1.0,
            columns=tuple(dict.fromkeys(column for column, _ in ringing)),
            detail=f"{column}: {sign} {found[column, sign]:.3f}",
        )


def _judge_newness(
    calibration: Calibration, now: Window, learned: Window, few: float
) -> Iterator[Alarm]:
    parts = {
        gauge.column: gauge.weight
        * float(measure_newness(gauge, learned.columns[gauge.column][0], now.columns[gauge.column][0]))
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


def _shares(counts: Array) -> Array:
    return counts / np.maximum(counts.sum(-1, keepdims=True), 1e-12)


def _as_tuples(window: Window) -> dict[str, tuple[float, ...]]:
    kept = {name: tuple(counts[0].tolist()) for name, counts in window.columns.items()}
    return kept | {REPEATED: (float(window.rows[0]), float(window.repeated[0]))}


def _as_window(counts: Mapping[str, tuple[float, ...]]) -> Window:
    rows, repeated = counts[REPEATED]
    columns = {name: np.array([each]) for name, each in counts.items() if name != REPEATED}
    return Window(np.array([rows]), np.array([repeated]), columns)
