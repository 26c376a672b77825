"""Recalibration: what turns a model's probabilities into ones that come true as often as they say.

Responsible for the file of a version that says how, and for applying it: to many rows, or to one
without NumPy, with the same bits. Not responsible for fitting it (`evaluation.recalibrate`).

A binary model's log odds are put on a line (Platt 1999), or its probabilities on the points of an
isotonic regression with straight lines between (Zadrozny and Elkan 2002; between the centres of its
blocks, as Oron and Flournoy 2017, so that no two rows become equal). Those of several classes have
one temperature (Guo et al. 2017). The order of rows, and so AUC, stays as it is.
"""

from bisect import bisect_right
from collections.abc import Callable, Collection
from functools import cached_property
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError, model_validator
from scipy.special import exp2, expit, logit, xlogy  # type: ignore[import-untyped]

from tasks.core.definition import Definition, Frozen
from tasks.core.errors import StoreError

Array = NDArray[np.float64]
Method = Literal["platt", "isotonic", "temperature"]
Share = Annotated[float, Field(ge=0, le=1)]

RECALIBRATION = "calibration.json"  # a version's file; without it, predictions are LightGBM's own
MOST_KNOTS = 1_000
_LN2 = float(np.log(2))


class Recalibration(Frozen):
    """How a model's predictions are recalibrated; what a method does not need is left out.

    `slope` and `intercept` are of log odds. Between `knots`, which go from 0 to 1, probabilities
    are straight lines between `values`. SciPy's functions give one number the same bits as many.
    """

    method: Method
    slope: float = Field(default=1.0, ge=0.01, le=100, allow_inf_nan=False)
    intercept: float = Field(default=0.0, ge=-30, le=30, allow_inf_nan=False)
    temperature: float = Field(default=1.0, ge=0.01, le=100, allow_inf_nan=False)
    knots: tuple[Share, ...] = Field(default=(), max_length=MOST_KNOTS)
    values: tuple[Share, ...] = Field(default=(), max_length=MOST_KNOTS)

    @model_validator(mode="after")
    def _points_rise(self) -> Self:
        if self.method != "isotonic":
            if self.knots or self.values:
                raise ValueError(f"knots are for isotonic, not for {self.method}")
            return self
        if len(self.knots) < 2 or len(self.knots) != len(self.values):
            raise ValueError("knots and values must be as many, and two at least")
        if (self.knots[0], self.knots[-1]) != (0, 1):
            raise ValueError("knots must go from 0 to 1")
        for name in ("knots", "values"):
            if any(one >= other for one, other in pairwise(getattr(self, name))):
                raise ValueError(f"{name} must rise")
        return self

    def apply(self, predicted: Array) -> Array:
        """Recalibrate probabilities, of shape (rows,), or (rows, classes) for several classes."""
        if self.method == "temperature":
            return soften(predicted, self.temperature)
        if self.method == "platt":
            return np.asarray(expit(self.slope * logit(predicted) + self.intercept))
        knots, values, slopes = self._points
        place = np.searchsorted(knots[1:-1], predicted, side="right")
        straight = values[place] + (predicted - knots[place]) * slopes[place]
        return np.minimum(straight, values[place + 1])

    def apply_one(self, predicted: Any) -> Any:
        """Recalibrate one row: its probability, or a list with that of each class."""
        if self.method == "temperature":
            return soften(np.array([predicted]), self.temperature)[0].tolist()
        if self.method == "platt":
            return float(expit(self.slope * float(logit(predicted)) + self.intercept))
        place = bisect_right(self.knots, predicted, 1, len(self.knots) - 1) - 1
        straight = self.values[place] + (predicted - self.knots[place]) * self._slopes[place]
        return min(straight, self.values[place + 1])

    @cached_property
    def _points(self) -> tuple[Array, Array, Array]:
        knots, values = np.array(self.knots), np.array(self.values)
        return knots, values, np.diff(values) / np.diff(knots)

    @cached_property
    def _slopes(self) -> list[float]:
        return list(self._points[2].tolist())


def shift_odds(predicted: Any, offset: Any) -> Any:
    """Move the log odds of probabilities, one or many, by one offset or one each.

    >>> round(float(shift_odds(0.5, 1.0)), 3)
    0.731
    """
    return expit(logit(predicted) + offset)


def soften(chances: Array, temperature: float) -> Array:
    """Divide the log of each class's probability by a temperature, and let them add up to 1.

    Class by class, as NumPy may sum the rows of many in another order than those of one.

    >>> soften(np.array([[0.8, 0.2]]), 2.0).round(3).tolist()
    [[0.667, 0.333]]
    """
    raised = exp2(xlogy(1 / temperature, chances) / _LN2)
    total = raised[:, 0]
    for place in range(1, raised.shape[1]):
        total = total + raised[:, place]
    return np.asarray(raised / total[:, None])


def read_recalibration(
    read: Callable[[str], bytes], files: Collection[str], definition: Definition, origin: str
) -> Recalibration | None:
    """Read a version's recalibration by a function that reads its files; None where it has none.

    Raises StoreError for one that does not fit the version's kind of target, or is out of bounds.
    """
    if RECALIBRATION not in files:
        return None
    try:
        found = Recalibration.model_validate_json(read(RECALIBRATION))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "it"
        said = f"{key}: {first['msg'].removeprefix('Value error, ')}"
        raise StoreError(f"{origin}/{RECALIBRATION}: is damaged: {said}; restore it") from error
    fits = {"binary": ("platt", "isotonic"), "multiclass": ("temperature",), "regression": ()}
    if found.method not in fits[definition.target.kind]:
        said = f"{found.method} is not for a {definition.target.kind} target"
        raise StoreError(f"{origin}/{RECALIBRATION}: is damaged: {said}; restore it")
    return found
