"""LightGBM through its C interface: a matrix of numbers in, predictions or contributions out.

Responsible for the booster's handle, and for which rows a compiled forest predicts in its place.
By hand, as LightGBM's Python `predict` takes 20 microseconds a call to find out what it was given;
here it is always the same.
"""

import ctypes
import logging
import threading
from collections.abc import Sequence
from copy import copy
from struct import Struct
from typing import Any

import lightgbm
import numpy as np
from numpy.typing import NDArray

from tasks.core.pinball import Pinball, rearrange
from tasks.prediction.compiled_forest import CompiledForest, NoForest, compile_forest
from tasks.prediction.explainability import find_unexplained
from tasks.training.recalibration import Recalibration, shift_odds

log = logging.getLogger("perennial.serving")

Array = NDArray[np.float64]

_LIB: Any = lightgbm.basic._LIB  # type: ignore[attr-defined]
_SINGLE_ROW: Any = _LIB.LGBM_BoosterPredictForMatSingleRowFast
_FLOAT64, _ROW_MAJOR = 1, 1
_NORMAL, _CONTRIBUTIONS = 0, 3
_ONE_THREAD = b"num_threads=1 verbosity=-1"
_MANY = 16  # rows from which on a forest is the quicker one


class Predictor:
    """Answers by LightGBM, and by a compiled forest where that is asked for and possible.

    What either predicts is recalibrated, where a version says how, and then all log odds are moved
    by `offset`, where a base rate is followed. Quantiles are put in order.
    """

    offset = 0.0

    def __init__(
        self,
        text: str,
        compiled: bool = False,
        recalibration: Recalibration | None = None,
        pinball: Pinball | None = None,
    ) -> None:
        self._booster = lightgbm.Booster(model_str=text)
        self._handle = self._booster._handle
        self.features: int = self._booster.num_feature()
        self.classes: int = self._booster.num_model_per_iteration()
        self.unexplained = find_unexplained(text)
        self._single = threading.local()
        self._forest = self._find_forest(text) if compiled else None
        self.recalibration = recalibration
        self.pinball = pinball

    @property
    def name(self) -> str:
        return "lightgbm" if self._forest is None else "compiled"

    def predict(self, matrix: Array) -> Array:
        """Predict rows (rows, features): shape (rows,), or (rows, classes or quantiles).

        LightGBMError where the matrix has another number of features than the model.
        """
        predicted = rearrange(self.pinball, self._predict_raw(matrix))
        if self.recalibration is not None:
            predicted = self.recalibration.apply(predicted)
        return np.asarray(shift_odds(predicted, self.offset)) if self.offset else predicted

    def shifted(self, offset: float) -> "Predictor":
        """Give a predictor by the same trees that moves all log odds by another offset."""
        other = copy(self)
        other.offset = offset
        return other

    def _predict_raw(self, matrix: Array) -> Array:
        if len(matrix) == 1:
            return self._predict_single(matrix)
        if self._forest is not None and len(matrix) >= _MANY:
            return self._forest.predict(matrix)
        return self._predict_many(matrix)

    def predict_one(self, numbers: Sequence[float]) -> float | list[float]:
        """Predict one row of numbers: its prediction, or one for each class or quantile."""
        single = getattr(self._single, "call", None) or self._prepare_single()
        single.fill(single.buffer, 0, *numbers)
        single.predict()
        if self.pinball is not None:
            single.result.sort()
        predicted = single.result.item() if self.classes == 1 else single.result.tolist()
        if self.recalibration is not None:
            predicted = self.recalibration.apply_one(predicted)
        return float(shift_odds(predicted, self.offset)) if self.offset else predicted

    def explain(self, matrix: Array) -> Array:
        """Give SHAP contributions of shape (rows, classes, features + 1); the last is the base.

        Of quantiles, there are those of the middle one alone: of the trees whose value it is.
        They add up to the raw score (TreeSHAP, Lundberg et al. 2018, as LightGBM computes it), but
        not where `unexplained` says why: do not ask for them then.
        """
        width = self.features + 1
        found = self._call(matrix, _CONTRIBUTIONS, self.classes * width)
        contributions = found.reshape(len(matrix), self.classes, width)
        if self.pinball is None:
            return contributions
        places = np.argsort(self._predict_many(matrix), axis=1, kind="stable")
        return contributions[np.arange(len(matrix)), places[:, self.pinball.middle]][:, None]

    def _find_forest(self, text: str) -> CompiledForest | None:
        try:
            return compile_forest(text, self.features, self._predict_many)
        except NoForest as reason:
            log.warning("LightGBM answers, not the compiled predictor: %s", reason)
            return None

    def _predict_many(self, matrix: Array) -> Array:
        predicted = self._call(matrix, _NORMAL, self.classes)
        return predicted if self.classes > 1 else predicted[:, 0]

    def _call(self, matrix: Array, kind: int, width: int) -> Array:
        result = np.empty((len(matrix), width))
        length = ctypes.c_int64()
        _check(
            _LIB.LGBM_BoosterPredictForMat(
                self._handle,
                ctypes.c_void_p(matrix.ctypes.data),
                ctypes.c_int(_FLOAT64),
                ctypes.c_int32(len(matrix)),
                ctypes.c_int32(self.features),
                ctypes.c_int(_ROW_MAJOR),
                ctypes.c_int(kind),
                ctypes.c_int(0),
                ctypes.c_int(-1),
                ctypes.c_char_p(_ONE_THREAD),
                ctypes.byref(length),
                ctypes.c_void_p(result.ctypes.data),
            )
        )
        return result

    def _predict_single(self, matrix: Array) -> Array:
        """Predict one row by LightGBM's prepared call, whose buffers are one thread's own."""
        single = getattr(self._single, "call", None) or self._prepare_single()
        single.row[:] = matrix[0]
        single.predict()
        result: Array = single.result.copy()
        return result if self.classes == 1 else result.reshape(1, -1)

    def _prepare_single(self) -> "_SingleRow":
        self._single.call = call = _SingleRow(self._handle, self.features, self.classes)
        return call


class _SingleRow:
    """The buffers and settings of one thread's prepared call."""

    def __init__(self, handle: ctypes.c_void_p, features: int, classes: int) -> None:
        self.config = ctypes.c_void_p()
        _check(
            _LIB.LGBM_BoosterPredictForMatSingleRowFastInit(
                handle,
                ctypes.c_int(_NORMAL),
                ctypes.c_int(0),
                ctypes.c_int(-1),
                ctypes.c_int(_FLOAT64),
                ctypes.c_int32(features),
                ctypes.c_char_p(_ONE_THREAD),
                ctypes.byref(self.config),
            )
        )
        self.fill = Struct(f"{features}d").pack_into
        self.row, self.result = np.empty(features), np.empty(classes)
        self.buffer = self.row.data
        self.length = ctypes.byref(ctypes.c_int64())
        self.row_pointer = ctypes.c_void_p(self.row.ctypes.data)
        self.result_pointer = ctypes.c_void_p(self.result.ctypes.data)

    def predict(self) -> None:
        """Put what the model makes of `row` into `result`."""
        if _SINGLE_ROW(self.config, self.row_pointer, self.length, self.result_pointer):
            _check(1)

    def __del__(self) -> None:
        if self.config:
            _LIB.LGBM_FastConfigFree(self.config)


def _check(failed: int) -> None:
    if failed:
        raise lightgbm.basic.LightGBMError(_LIB.LGBM_GetLastError().decode())
