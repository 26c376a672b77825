"""Mappings of numbers: units, free factors and offsets, signs, and hours round the clock.

Proposes what could have made new values of old ones, the likeliest first. A known conversion must
bring the whole distribution back. A free factor or offset must bring values back onto those that
were there, where its neighbours do not: on a grid of whole numbers any season would do that. Not
responsible for whether the alarm is quiet then (`root_cause`).
"""

import re
from collections.abc import Iterator, Sequence

import numpy as np

from tasks.causes.mapping import (
    Array,
    Clock,
    Mapping,
    find_grain,
    find_nearest,
    take_back,
    tolerate,
    undo_numbers,
)
from tasks.causes.number_shapes import NONE, Found, Usual, describe_usual, is_as_good, list_frequent
from tasks.causes.unit_factors import list_conversions

_MOST = 4  # proposals
_BINS = 60
_LEFT = 0.7  # of the distance at most
_RECURRING = 0.5  # share of values that come again, for that they come back to be evidence
_COMES_BACK, _BY_CHANCE = 0.85, 0.5  # shares of values that fall onto known ones
_STEPS = 5  # frequent values whose distances are tried as steps of a grid
_NEIGHBOURS = (0.9, 0.95, 0.97, 1.03, 1.05, 1.1)
_STRAY = np.geomspace(0.8, 1.25, 31)  # factors beside a conversion
_CLOCK = re.compile(r"hour|hr|time|clock", re.IGNORECASE)


def propose_numbers(name: str, old: Array, new: Array, others: Array = NONE) -> list[Mapping]:
    """Propose mappings of a column's old numbers onto its new ones, the likeliest first.

    `others` are values that are known, too, though not of rows like these.
    """
    values, often = np.unique(new[np.isfinite(new)], return_counts=True)
    counts = often.astype(np.float64)
    if len(values) < 2 or not np.isfinite(old).any():
        return []
    usual, now = describe_usual(old, others), Found(values, counts, find_grain(values))
    apart = usual.distance(values, counts)
    found: list[tuple[float, Mapping]] = []
    for mapping in (*_list_linear(name, usual, now), *_list_hours(name, usual)):
        undone = undo_numbers(mapping, values, usual.known, now.grain)
        distance = usual.distance(undone, counts)
        if distance < apart and mapping.kind == "linear" and _comes_back(mapping, usual, now):
            found.append((distance, mapping.model_copy(update={"proven": True})))
        elif distance <= _LEFT * apart and _is_borne_out(mapping, usual, now, distance):
            found.append((distance, mapping))
    found.sort(key=lambda pair: (not pair[1].proven, not pair[1].known, pair[0]))
    return _tell_apart(found, usual, now)[:_MOST]


def _tell_apart(found: Sequence[tuple[float, Mapping]], usual: Usual, now: Found) -> list[Mapping]:
    """Leave a unit's name out where the shape of values cannot tell it from one near it."""
    mappings = [each for _, each in found]
    if len(found) < 2 or usual.recurring >= _RECURRING or mappings[0].kind != "linear":
        return mappings
    (least, first), (other, second) = found[:2]
    near = second.kind == "linear" and 0.7 < first.factor / second.factor < 1.4
    if not near or first.factor == second.factor or not is_as_good(other, least, usual, now):
        return mappings
    about = say_factor(first.factor, 2).replace("by ", "by about ")
    return [first.model_copy(update={"about": about}), *mappings[2:]]


def _list_linear(name: str, usual: Usual, now: Found) -> Iterator[Mapping]:
    for factor, offset, units in list_conversions():
        about = f"{say_factor(factor)} ({units})" if not offset else f"converted from {units}"
        yield from _both(_linear(name, about, factor, offset, known=True), usual, now.grain)
    yield _linear(name, "multiplied by -1 (the sign flipped)", -1.0, 0.0, known=True)
    if usual.recurring < _RECURRING:
        return
    frequent = list_frequent(usual.known, usual.counts)
    pairs = [(old, new) for new in list_frequent(now.values, now.counts) for old in frequent]
    ratios = {float(f"{new / old:.6g}") for old, new in pairs if old and new}
    for factor in {_refine(each, usual, now) for each in ratios} - {1.0, -1.0}:
        yield from _both(_linear(name, say_factor(factor), factor, 0.0), usual, now.grain)
    for offset in {float(f"{new - old:.9g}") for old, new in pairs} - {0.0}:
        yield _linear(name, say_offset(offset), 1.0, offset)


def _refine(factor: float, usual: Usual, now: Found) -> float:
    """Make a ratio of two rounded values that of all values, by least squares."""
    near = find_nearest(usual.known, now.values / factor)
    same = np.abs(now.values - near * factor) <= 0.01 * np.abs(now.values)
    weight = now.counts * same
    squares = float((weight * near**2).sum())
    better = float((weight * near * now.values).sum()) / squares if squares else factor
    plain = float(f"{better:.4g}")
    return plain if abs(plain / better - 1) < 1e-5 else float(f"{better:.7g}")


def _list_hours(name: str, usual: Usual) -> Iterator[Mapping]:
    """List shifts of columns that hold hours (0 to 23) or hours and minutes (HHMM)."""
    low, high, many = usual.known[0], usual.known[-1], len(usual.known)
    whole = bool((usual.known == np.floor(usual.known)).all())
    clock: Clock = ""
    if whole and low >= 0 and many >= 10 and 18 < high <= 23 and _CLOCK.search(name):
        clock = "hour"
    elif whole and low >= 0 and many > 24 and 1200 < high <= 2400 and usual.known.max() < 2401:
        clock = "hhmm" if bool((usual.known % 100 < 60).all()) else ""
    for hours in range(1, 24) if clock else ():
        yield shift_hours(name, hours if hours <= 12 else hours - 24, clock)


def shift_hours(name: str, hours: int, clock: Clock = "") -> Mapping:
    """Give a shift of a time, or of a number that holds one."""
    unit = "hour" if abs(hours) == 1 else "hours"
    about = f"{abs(hours)} {unit} {'later' if hours > 0 else 'earlier'} (a time zone?)"
    return Mapping(kind="hours", columns=(name,), about=about, hours=hours, clock=clock)


def _comes_back(mapping: Mapping, usual: Usual, now: Found) -> bool:
    """Tell whether values come back onto known ones, and not by chance."""
    if usual.recurring < _RECURRING:
        return False
    back = _share_back(mapping, usual, now)
    return back >= _COMES_BACK * usual.recurring and (
        back - _by_chance(mapping, usual, now) >= _BY_CHANCE
    )


def _is_borne_out(mapping: Mapping, usual: Usual, now: Found, distance: float) -> bool:
    """Tell whether the shape of all values speaks for a mapping, which no value denies."""
    if mapping.kind == "hours":
        return True
    denied = _share_back(mapping, usual, now) < _COMES_BACK * usual.recurring
    if usual.recurring >= _RECURRING and denied:
        return False
    if not mapping.known:
        return False
    beside = (mapping.model_copy(update={"factor": mapping.factor * each}) for each in _STRAY)
    best = min(
        usual.distance(take_back(each, now.values, now.grain), now.counts) for each in beside
    )
    return is_as_good(distance, best, usual, now)


def _share_back(mapping: Mapping, usual: Usual, now: Found) -> float:
    """Give the share of values that come back onto known ones; 0 does so by any factor."""
    counts = now.counts if mapping.offset else np.where(now.values != 0, now.counts, 0)
    undone = take_back(mapping, now.values, now.grain)
    near = np.abs(undone - find_nearest(usual.known, undone))
    back = near <= tolerate(mapping, undone, now.grain)
    return float(counts[back].sum() / max(counts.sum(), 1))


def _by_chance(mapping: Mapping, usual: Usual, now: Found) -> float:
    """Give the share that comes back by neighbours of a mapping, at most."""
    if mapping.factor != 1:
        beside = [{"factor": mapping.factor * each} for each in _NEIGHBOURS]
    else:
        beside = [{"offset": mapping.offset + step} for step in _list_steps(usual)]
    return max(_share_back(mapping.model_copy(update=each), usual, now) for each in beside)


def _list_steps(usual: Usual) -> set[float]:
    """List by how much values differ from each other often: on a grid, all come back by that."""
    steps, counts = np.unique(np.round(np.diff(usual.known), 9), return_counts=True)
    frequent = list_frequent(usual.known, usual.counts)[:_STEPS]
    apart = {one - other for one in frequent for other in frequent}
    return {*apart, *(sign * float(steps[np.argmax(counts)]) for sign in (-1, 1))} - {0.0}


def _both(mapping: Mapping, usual: Usual, grain: float) -> Iterator[Mapping]:
    """Give a mapping that rounds and, where old values are whole too, one that cuts off."""
    yield mapping
    if grain and find_grain(usual.known[:_BINS] * mapping.factor + mapping.offset) < grain:
        yield mapping.model_copy(update={"cut": True})


def _linear(name: str, about: str, factor: float, offset: float, *, known: bool = False) -> Mapping:
    return Mapping(
        kind="linear", columns=(name,), about=about, factor=factor, offset=offset, known=known
    )


def say_factor(factor: float, digits: int = 4) -> str:
    """Say a factor as people do.

    >>> say_factor(1.609344), say_factor(1 / 60)
    ('multiplied by 1.609', 'divided by 60')
    """
    if abs(factor) < 1:
        return f"divided by {1 / factor:.{digits}g}"
    if factor >= 1e4:
        return f"multiplied by {factor:,.10g}"
    return f"multiplied by {factor:.{digits}g}"


def say_offset(offset: float) -> str:
    return f"{abs(offset):.6g} {'higher' if offset > 0 else 'lower'}"
