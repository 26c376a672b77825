"""Prediction intervals of served rows: two quantile models, and what makes an interval of them.

Responsible for the two models of a version's file, compiled where its prediction is. Not
responsible for how wide an interval is (`core.prediction_interval`).
"""

from collections.abc import Sequence

import numpy as np

from bentos.lightgbm_predictor import Array, Predictor
from tasks.core.errors import StoreError
from tasks.core.prediction_interval import read_interval


class IntervalPredictor:
    """Answers an interval for each row of a model's input."""

    def __init__(self, data: bytes, version: str, compiled: bool = False) -> None:
        self._model = read_interval(data, version)
        self._lower, self._upper = (
            Predictor(text, compiled) for text in (self._model.lower, self._model.upper)
        )

    def predict(self, matrix: Array, predicted: Array) -> Array:
        """Predict the intervals of rows (rows, features) with predictions; shape (rows, 2)."""
        lower, upper = self._lower.predict(matrix), self._upper.predict(matrix)
        return self._model.widen(predicted, lower, upper)

    def predict_one(self, numbers: Sequence[float], predicted: float) -> list[float]:
        """Predict the interval of one row of numbers with its prediction."""
        lower, upper = self._lower.predict_one(numbers), self._upper.predict_one(numbers)
        assert isinstance(lower, float), "one number a row"
        assert isinstance(upper, float), "one number a row"
        return self._model.widen_one(predicted, lower, upper)

    def check(self, version: str, matrix: Array, predicted: Array) -> None:
        """Answer made-up rows, together and alone; StoreError where that fails or differs."""
        if {self._lower.features, self._upper.features} != {matrix.shape[1]}:
            raise StoreError(f"{version}: its intervals take other features than they are given")
        if {self._lower.classes, self._upper.classes} != {1}:
            raise StoreError(f"{version}: its intervals have more than two ends")
        together, rows = self.predict(matrix, predicted), matrix.tolist()
        alone = np.array(list(map(self.predict_one, rows, predicted.tolist())))
        if not np.isfinite(together).all() or not np.array_equal(together, alone):
            raise StoreError(f"{version}: its intervals are no finite, repeatable numbers")
