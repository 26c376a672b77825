"""The onset: since when a column's values are others, and until when.

The moment that splits rows in time order into the two most likely distributions: a change point by
maximum likelihood (Hinkley, Biometrika 1970), where Page's CUSUM would know both beforehand; with
an end, the epidemic alternative (Levin and Kline 1985). Not responsible for which rows in between.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]

_COARSE, _FINE = 120, 400  # moments that are tried: at first, and around the best one
_LEAST = 20  # rows on each side
_ENDED = 1.25  # times as likely as without an end: days differ from each other a little anyway


class Segment(NamedTuple):
    """Rows from `start` up to `stop`, in time order."""

    start: int
    stop: int


def find_segment(bins: Places, moments: Places, reaches: int = 0) -> Segment:
    """Find the rows whose bins are distributed otherwise than the rest's.

    `bins` are of rows in the order of their `moments`. The first rows are never of them; some
    after `reaches` are.

    >>> bins = np.repeat([0, 1], 50)
    >>> find_segment(bins, np.arange(100))
    Segment(start=50, stop=100)
    """
    rows = len(bins)
    edges = np.flatnonzero(np.diff(moments)) + 1  # rows of one moment stay together
    edges = edges[(edges >= _LEAST) & (edges <= rows - _LEAST)]
    if not len(edges):
        return Segment(0, rows)
    sums = _Sums(bins)
    coarse = _thin(edges, _COARSE)
    lasting = sums.likelihood(coarse, np.full(len(coarse), rows))
    start, stop, best = int(coarse[np.argmax(lasting)]), rows, float(lasting.max())
    first, last = np.triu_indices(len(coarse), 1)
    later = coarse[last] > reaches
    first, last = first[later], last[later]
    ended = sums.likelihood(coarse[first], coarse[last]) if len(first) else lasting
    if len(first) and float(ended.max()) > _ENDED * best:
        place = int(np.argmax(ended))
        start, stop = int(coarse[first[place]]), int(coarse[last[place]])
    near = _around(edges, coarse, start)
    start = int(near[np.argmax(sums.likelihood(near, np.full(len(near), stop)))])
    if stop < rows:
        near = _around(edges, coarse, stop)
        near = near[near > max(start, reaches)]
        stop = int(near[np.argmax(sums.likelihood(np.full(len(near), start), near))])
    return Segment(start, stop)


class _Sums:
    """Counts of bins up to each row, of which a segment's are a difference."""

    def __init__(self, bins: Places) -> None:
        self._bins, self._rows = bins, len(bins)
        self._order = np.argsort(bins, kind="stable")
        self._values, starts = np.unique(bins[self._order], return_index=True)
        self._places = np.split(self._order, starts[1:])

    def likelihood(self, start: Places, stop: Places) -> Array:
        """Give the log-likelihood of two distributions, above that of a single one."""
        inside = np.stack(
            [np.searchsorted(at, stop) - np.searchsorted(at, start) for at in self._places], -1
        ).astype(np.float64)
        total = np.array([len(at) for at in self._places], dtype=np.float64)
        gain = _entropy(inside) + _entropy(total - inside) - _entropy(total)
        few = np.minimum(stop - start, self._rows - (stop - start)) < _LEAST
        return np.where(few, -np.inf, gain)


def _entropy(counts: Array) -> Any:
    """Give the log-likelihood of counts under their own shares."""
    whole = counts.sum(-1, keepdims=True)
    return (counts * np.log(np.maximum(counts, 1e-300) / np.maximum(whole, 1e-300))).sum(-1)


def _thin(edges: Places, most: int) -> Places:
    if len(edges) <= most:
        return edges
    return edges[np.linspace(0, len(edges) - 1, most).round().astype(np.int64)]


def _around(edges: Places, coarse: Places, place: int) -> Places:
    """Give the edges between the coarse ones before and after a place."""
    at = int(np.searchsorted(coarse, place))
    low, high = coarse[max(at - 1, 0)], coarse[min(at + 1, len(coarse) - 1)]
    return _thin(edges[(edges >= low) & (edges <= high)], _FINE)
