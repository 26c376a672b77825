"""The affected rows: those of a segment of time and, where it is so, of a few levels only.

Responsible for finding the levels that one column's values moved in while they stayed in all
others. Not responsible for the segment (`onset`), nor for what happened to the values.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import polars as pl

from tasks.causes.evidence import Evidence
from tasks.causes.onset import Array, Places
from tasks.core.sql import is_text

_MOST_LEVELS, _LEAST = 120, 40  # levels of a column, rows of a level on each side
_NAMED = 3  # levels that a fault may be confined to
_CLEAR, _NOISE = 6.0, 0.0025  # times as far as the furthest other level; less is no movement
_DISJOINT = 1e-3  # what distributions have in common that have nothing
_MOST_ROWS = 0.85  # of them: else all are affected


class Place(NamedTuple):
    """Rows where `column` has one of `levels`."""

    column: str
    levels: tuple[str, ...]

    def find(self, rows: pl.DataFrame) -> pl.Series:
        return rows[self.column].cast(pl.String).is_in(self.levels).fill_null(False)

    def __str__(self) -> str:
        return f"{self.column} = {' or '.join(map(repr, self.levels))}"


def confine(
    evidence: Evidence, rows: pl.DataFrame, name: str, bins: Places, inside: Places
) -> Iterator[Place]:
    """Give the places that a movement may be confined to, the clearest first.

    `inside` is true for rows of the segment in which the column's `bins` are others.
    """
    found = []
    for column in evidence.list_columns():
        known = rows[column].dtype
        levelled = is_text(known) or known.is_integer() or known == pl.Boolean
        if column == name or not levelled or rows[column].n_unique() > _MOST_LEVELS:
            continue
        place, clear = _find_levels(rows[column].cast(pl.String), bins, inside)
        if place:
            found.append((clear, Place(column, place)))
    found.sort(key=lambda pair: (len(pair[1].levels), -pair[0]))
    return (place for _, place in found)


def _find_levels(levels: pl.Series, bins: Places, inside: Places) -> tuple[tuple[str, ...], float]:
    """Find the few levels that moved by far more than all others, and how many times as far."""
    codes = levels.rank("dense").fill_null(0).cast(pl.Int64).to_numpy()
    names = ["", *levels.drop_nulls().unique().sort().to_list()]
    counts = [
        _count(codes[side], bins[side], len(names), int(bins.max()) + 1)
        for side in (~inside, inside)
    ]
    enough = np.minimum(counts[0].sum(-1), counts[1].sum(-1)) >= _LEAST
    enough[0] = False
    if enough.sum() < 2:
        return (), 0.0
    moved = np.where(enough, _measure(*counts), -1.0)
    order = np.argsort(-moved, kind="stable")[: int(enough.sum())]
    best, clear = 0, 0.0
    for many in range(1, min(_NAMED, len(order) - 1) + 1):
        times = moved[order[many - 1]] / max(moved[order[many]], _NOISE)
        if times > clear:
            best, clear = many, float(times)
    chosen = order[:best]
    rows = counts[1][chosen].sum() / counts[1].sum()
    if clear < _CLEAR or rows > _MOST_ROWS:
        return (), 0.0
    return tuple(names[place] for place in chosen), clear


def _measure(old: Array, new: Array) -> Array:
    """Measure how far each level moved (Bhattacharyya), less what chance alone would give.

    Two samples of one distribution lie (bins - 1) / 8 * (1 / n + 1 / m) apart (Hellinger, squared).
    """
    n, m = old.sum(-1), new.sum(-1)
    shares = [each / np.maximum(each.sum(-1, keepdims=True), 1) for each in (old, new)]
    squared = 1 - np.sqrt(shares[0] * shares[1]).sum(-1)
    held = ((old + new) > 0).sum(-1) - 1
    chance = held / 8 * (1 / np.maximum(n, 1) + 1 / np.maximum(m, 1))
    return np.asarray(-np.log(np.maximum(_DISJOINT, 1 - np.maximum(0.0, squared - chance))))


def _count(codes: Places, bins: Places, levels: int, width: int) -> Array:
    counted = np.bincount(codes * width + bins, minlength=levels * width)
    return counted.reshape(levels, width).astype(np.float64)
