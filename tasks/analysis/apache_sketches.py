"""Apache's sketches under the names by which whylogs asks for its own, where those are missing.

whylogs' own package of sketches, `whylogs_sketching`, is an early Apache DataSketches, built for no
Python after 3.12. Responsible for what whylogs and `profile` ask of it, and for the same bytes and
answers: a profile is read wherever it was written.
"""

from copy import copy
from typing import Any

import datasketches as apache
import numpy as np

# Before its levels, whylogs' KLL sketch of more than one number says how many 4 bytes come first:
# one more than Apache's, which are empty.
_LONG, _SHORT, _HEAD, _EMPTY = b"\6", b"\5", 20, bytes(4)


def __getattr__(name: str) -> Any:
    """Give all other sketches as Apache has them."""
    return getattr(apache, name)


class kll_doubles_sketch:  # whylogs' name
    """A KLL sketch, which whylogs copies by its class and whose length it asks for."""

    def __init__(self, k: Any = 200) -> None:
        given = isinstance(k, kll_doubles_sketch)
        self._kll: Any = copy(k._kll) if given else apache.kll_doubles_sketch(k)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._kll, name)

    @staticmethod
    def deserialize(data: bytes) -> "kll_doubles_sketch":
        made = kll_doubles_sketch()
        made._kll = apache.kll_doubles_sketch.deserialize(_narrow(data))
        return made

    def serialize(self) -> bytes:
        return _widen(self._kll.serialize())

    def get_n(self) -> int:
        return int(self._kll.n)

    def get_quantiles(self, ranks: list[float]) -> list[float]:
        if self._kll.n < 2:
            return [float(each) for each in self._kll.get_quantiles(ranks)]
        # Between two numbers that it kept, Apache's gives the lower one, whylogs' the upper.
        kept, below = _read_kept(self._kll.serialize())
        places = below.searchsorted(np.floor(np.multiply(ranks, self._kll.n)))
        found = kept[places.clip(max=len(kept) - 1)].tolist()
        ends: dict[float, float] = {0: self._kll.get_min_value(), 1: self._kll.get_max_value()}
        return [ends.get(rank, each) for rank, each in zip(ranks, found, strict=True)]

    def merge(self, other: "kll_doubles_sketch") -> None:
        self._kll.merge(other._kll)

    def update(self, values: Any) -> None:
        # Apache's refuses an array that may not be written to, as Polars lends them.
        self._kll.update(np.require(values, np.float64, "W"))


class hll_sketch(apache.hll_sketch):  # type: ignore[misc]  # it has no types
    """A HyperLogLog sketch of whylogs' kind, which takes many values at a call."""

    def __init__(self, lg_k: int) -> None:
        super().__init__(lg_k, apache.tgt_hll_type.HLL_4)

    def update_np(self, values: Any) -> None:
        self.update_str_list(values.tolist())

    def update_str_list(self, values: list[Any]) -> None:
        for each in values:
            self.update(each)


def _widen(data: bytes) -> bytes:
    if data[:1] != _SHORT:
        return data
    return _LONG + data[1:_HEAD] + _EMPTY + data[_HEAD:]


def _narrow(data: bytes) -> bytes:
    if data[:1] != _LONG:
        return data
    return _SHORT + data[1:_HEAD] + data[_HEAD + len(_EMPTY) :]


def _read_kept(data: bytes) -> tuple[Any, Any]:
    """Read the numbers that a sketch of several keeps, in order, and how many are below each.

    Not by iterating: Apache's says that each stands for one number where the first level is empty.
    """
    levels = np.frombuffer(data, "<u4", data[_HEAD - 2], _HEAD)
    kept = np.frombuffer(data, "<f8", offset=_HEAD + levels.nbytes + 16)  # after least and greatest
    sizes = np.diff([*levels, levels[0] + len(kept)])
    weights = np.repeat(2 ** np.arange(len(levels)), sizes)
    order = np.lexsort((weights, kept))
    return kept[order], weights[order].cumsum() - weights[order]
