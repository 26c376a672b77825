"""Signs that a column is not what it was: distances between the counts of two windows.

Owns the measures, which take any number of windows at once. Refuses to say how far is too far:
`alarms` does.
"""

from typing import Literal

import numpy as np
import numpy.typing as npt

from tasks.alarms.histograms import FIRST, MISSING, UNSEEN, Gauge

Array = npt.NDArray[np.float64]
Sign = Literal["missing", "unseen", "repeated", "clock", "shape", "shift"]

_FEW = 2  # times as many rows as there were to learn from, in the same bin: half of them are new


def measure_signs(gauge: Gauge, before: Array, now: Array, learned: Array) -> dict[Sign, Array]:
    """Measure how far one column went from one window to another, in the ways that it can."""
    (old, was), (new, is_) = (
        (each[..., FIRST:], each[..., FIRST:].sum(-1)) for each in (before, now)
    )
    signs: dict[Sign, Array] = {
        "missing": compare_shares(
            now[..., MISSING],
            now[..., MISSING] + is_,
            before[..., MISSING],
            before[..., MISSING] + was,
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
    return np.asarray(np.sqrt(np.maximum(0, 1 - overlap)))


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
    beyond = _shares(now[..., places]) - _FEW * _shares(learned[..., places])
    return np.asarray(np.maximum(0, beyond).sum(-1))


def _shares(counts: Array) -> Array:
    return np.asarray(counts / np.maximum(counts.sum(-1, keepdims=True), 1e-12))
