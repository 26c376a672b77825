"""Prediction intervals: the file that a version keeps of them, and how the two ends are told by it.

Conformalised quantile regression (Romano, Patterson and Candès 2019) in the form that grows with
an interval's own width (CQR-r: Sesia and Candès 2020): two quantile models say how far below and
above the prediction the ends lie, and rows that neither learned from say by which share of its
width each interval is to be wider, or may be narrower. Not responsible for training the two
(`training.intervals`), nor for predicting by them.
"""

import math
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError, model_validator

from tasks.core.definition import Frozen
from tasks.core.errors import StoreError, first_line

Array = NDArray[Any]
INTERVAL, TWIN_INTERVAL = "model_interval.json", "twin_interval.json"  # files of a version
_LONGEST = 200_000_000  # characters of a model's text
_NARROW = 0.1  # of the mean width: what is narrower does not make a miss count for more


class IntervalModel(Frozen, allow_inf_nan=False):
    """Two quantile models as LightGBM's texts, and by what share of its width to widen an interval.

    `rows` are those that told `share`. `least` is what no target lies below: 0 of counts and
    amounts. Intervals narrower than `floor` are widened as if they were so wide. The two models
    predict the ends themselves, unless it is `around` the prediction: then, how far off they are.
    """

    coverage: float = Field(gt=0, lt=1)
    lower: str = Field(min_length=1, max_length=_LONGEST)
    upper: str = Field(min_length=1, max_length=_LONGEST)
    share: float
    floor: float = Field(gt=0)
    least: float | None = None
    rows: int = Field(ge=1)
    rounds: tuple[int, int]
    around: bool = Field(default=False, exclude_if=lambda around: not around)  # once, none was

    @model_validator(mode="after")
    def _check_rows(self) -> Self:
        if self.rows < count_needed(self.coverage):
            raise ValueError(f"{self.rows} rows are too few for a coverage of {self.coverage:g}")
        return self

    def widen(self, predicted: Array, lower: Array, upper: Array) -> Array:
        """Give each row's interval, low before high, of what its models say; shape (rows, 2)."""
        step, middle = self.share * np.maximum(upper - lower, self.floor), predicted * self.around
        ends = np.column_stack([lower - step + middle, upper + step + middle])
        ends.sort(axis=1)
        return ends if self.least is None else np.maximum(ends, self.least)

    def widen_one(self, predicted: float, lower: float, upper: float) -> list[float]:
        """Give one row's interval as `widen` does, to the last bit."""
        step, middle = self.share * max(upper - lower, self.floor), predicted * self.around
        ends = sorted((lower - step + middle, upper + step + middle))
        return ends if self.least is None else [max(end, self.least) for end in ends]


def read_interval(data: bytes | str, where: str) -> IntervalModel:
    """Read what a version keeps of its intervals; StoreError where it is no such thing."""
    try:
        return IntervalModel.model_validate_json(data)
    except ValidationError as error:
        raise StoreError(f"{where}: is no prediction interval: {first_line(error)}") from error


def beside(model: Path) -> Path:
    """Say where the interval lies of a model that is being made, whether there is one or not."""
    return model.with_name(f"{model.stem}_interval.json")


def count_needed(coverage: float) -> int:
    """Count the fewest rows that can tell how wide intervals of such a coverage must be.

    >>> count_needed(0.9), count_needed(0.99)
    (9, 99)
    """
    return math.ceil(round(coverage / (1 - coverage), 9))


def find_share(
    coverage: float, target: Array, lower: Array, upper: Array, weights: Array
) -> tuple[float, float]:
    """Find by which share of their width intervals hold so many of such rows, and the floor.

    It is the smallest share that holds `coverage` of the rows and one more: so many that a new row
    is held with that probability, whatever it is drawn from (exchangeable rows). Rows weigh at
    most 1, which a new one does, and less where they say less of it (Barber, Candès, Ramdas and
    Tibshirani 2023). Targets and ends may both be counted from each row's prediction.
    """
    floor = _NARROW * float(np.maximum(upper - lower, 0).mean()) or 1.0
    misses = np.maximum(lower - target, target - upper) / np.maximum(upper - lower, floor)
    order = np.argsort(misses, kind="stable")
    held, wanted = weights[order].cumsum(), (float(weights.sum()) + 1) * coverage
    return float(misses[order][np.searchsorted(held, wanted - 1e-9)]), floor
