"""The shape of a column's numbers: a histogram of what is usual, and how far others are from it.

Not responsible for what was done to the others (`number_mappings`).
"""

from dataclasses import dataclass

import numpy as np

from tasks.causes.mapping import Array

_BINS = 60
_LAST = 0.75  # of the old values are known when the others come
_FREQUENT = 12
_BEST, _CHANCE, _SLACK = 1.1, 12, 1e-3  # by how much worse than the best one
NONE: Array = np.array([])


@dataclass(frozen=True)
class Usual:
    """Old values: all `known` ones and how often each came, with the `cuts` of a histogram.

    `recurring` is the share of the last that had come before.
    """

    known: Array
    counts: Array
    cuts: Array
    shares: Array
    recurring: float

    def distance(self, values: Array, counts: Array) -> float:
        """Measure the Hellinger distance of values from the old ones."""
        overlap = np.sqrt(self.shares * _share(self.cuts, values, counts)).sum()
        return float(np.sqrt(max(0.0, 1 - overlap)))


@dataclass(frozen=True)
class Found:
    """New values, each once, with their `counts` and the decimal place they are rounded to."""

    values: Array
    counts: Array
    grain: float


def describe_usual(values: Array, others: Array = NONE) -> Usual:
    """Describe old values in the order of time; `others` are known, too.

    What is not finite is left out.
    """
    finite, more = values[np.isfinite(values)], others[np.isfinite(others)]
    first, last = np.split(finite, [int(_LAST * len(finite))])
    known, places = np.unique(np.concatenate([finite, more]), return_inverse=True)
    often = np.bincount(places[: len(finite)], minlength=len(known)).astype(np.float64)
    cuts = np.unique(np.quantile(finite, np.linspace(0, 1, _BINS + 1), method="nearest"))
    edges = np.unique(np.concatenate([np.nextafter(cuts, -np.inf), cuts]))
    again = np.isin(last, np.unique(first)).mean() if len(last) else 0.0
    return Usual(known, often, edges, _share(edges, known, often), float(again))


def is_as_good(distance: float, best: float, usual: Usual, now: Found) -> bool:
    """Tell whether a distance is as good as the best: 8 n H² is about chi-squared."""
    rows = 1 / (1 / usual.counts.sum() + 1 / now.counts.sum())
    chance = best**2 + _CHANCE / (8 * rows) + _SLACK
    return bool(distance**2 <= max((_BEST * best) ** 2, chance))


def list_frequent(values: Array, counts: Array) -> list[float]:
    return [float(each) for each in values[np.argsort(-counts, kind="stable")][:_FREQUENT]]


def _share(cuts: Array, values: Array, counts: Array) -> Array:
    held = np.bincount(np.searchsorted(cuts, values), weights=counts, minlength=len(cuts) + 1)
    return np.asarray(held / max(counts.sum(), 1))
