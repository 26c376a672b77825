"""Distances between the histograms of two windows: the signs that a column has changed.

All measures take any number of windows at once: counts have shape (..., places), as `histograms`
makes them, and distances have shape (...). Not responsible for how far is too far (`thresholds`).
"""

from typing import Literal

import numpy as np
import numpy.typing as npt

from tasks.alarms.histograms import FIRST, MISSING, UNSEEN, Gauge, Window

Array = npt.NDArray[np.float64]
Sign = Literal["missing", "unseen", "repeated", "clock", "shape", "shift"]
DistanceKey = tuple[str, Sign]  # a column and what changed in it

_FEW = 2  # times as many rows as there were to learn from, in the same bin: half of them are new


def measure_signs(gauge: Gauge, before: Array, now: Array, learned: Array) -> dict[Sign, Array]:
    """Measure how far a column moved between two windows, by each sign that its kind has."""
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
    """Measure the Hellinger distance of two shares, from 0 (equal) to 1 (none and all).

    >>> nothing, whole = np.array([0.0]), np.array([10.0])
    >>> compare_shares(nothing, whole, whole, whole)
    array([1.])
    """
    now = part / np.maximum(whole, 1)
    before = part_before / np.maximum(whole_before, 1)
    overlap = np.sqrt(now * before) + np.sqrt((1 - now) * (1 - before))
    return np.asarray(np.sqrt(np.maximum(0, 1 - overlap)))


def measure_shape(old: Array, new: Array) -> Array:
    """Measure the Hellinger distance of two distributions; 0 where one of them has no values."""
    overlap = np.sqrt(_shares(old) * _shares(new)).sum(-1)
    either = (old.sum(-1) > 0) & (new.sum(-1) > 0)
    return np.where(either, np.sqrt(np.maximum(0, 1 - overlap)), 0.0)


def measure_shift(gauge: Gauge, old: Array, new: Array, learned: Array) -> Array:
    """Measure the Wasserstein-1 distance, in standard deviations of what the model learned."""
    middles = gauge.middles
    share = _shares(learned)
    mean = share @ middles
    spread = np.sqrt(np.maximum(share @ middles**2 - mean**2, 0.0))
    apart = np.abs(np.cumsum(_shares(new) - _shares(old), axis=-1))[..., :-1]
    either = (old.sum(-1) > 0) & (new.sum(-1) > 0)
    return np.where(either, apart @ np.diff(middles) / np.maximum(spread, 1e-12), 0.0)


def measure_newness(gauge: Gauge, learned: Array, now: Array) -> Array:
    """Measure the share of rows in bins where the model had few rows to learn from."""
    places = [MISSING, *range(FIRST, gauge.places)]
    beyond = _shares(now[..., places]) - _FEW * _shares(learned[..., places])
    return np.asarray(np.maximum(0, beyond).sum(-1))


def describe_sign(key: DistanceKey, before: Window, now: Window, value: float, most: float) -> str:
    """Say in one line what changed in a column, in units that a person knows."""
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


def _shares(counts: Array) -> Array:
    return np.asarray(counts / np.maximum(counts.sum(-1, keepdims=True), 1e-12))
