"""The way of raw rows to predictions: look up, encode, predict, then log and count them.

The only place where served rows pass through a model: single rows come by `microbatching`, many by
`app`. Not responsible for reading requests or writing responses.
"""

import logging
from collections.abc import Sequence
from time import perf_counter
from typing import Any

import polars as pl

from bentos.columns import Rows
from bentos.errors import RequestRefused
from bentos.lightgbm_predictor import Array
from bentos.metrics import Metrics
from bentos.model import Model
from bentos.prediction_log_writer import PredictionLog
from tasks.core.errors import first_line

log = logging.getLogger("perennial.serving")


class PredictionPipeline:
    """Predicts rows that were parsed, and keeps what the monitor needs to know of them."""

    def __init__(self, metrics: Metrics, prediction_log: PredictionLog) -> None:
        self._metrics = metrics
        self._log = prediction_log

    def predict(
        self, model: Model, rows: Rows, requests: Sequence[str]
    ) -> tuple[list[Any], list[Any] | None]:
        """Give each row's prediction, and its label, interval or quantiles; `requests` are ids.

        A prediction is a number, or a list with a probability for each class; a plain regression
        has nothing beside it. RequestRefused names the feature that cannot be computed.
        """
        started = perf_counter()
        rows, matrix, predicted = evaluate(model, rows)
        labels, values = model.tell(matrix, predicted), predicted.tolist()
        answered = (
            values if model.interval is None else list(zip(values, labels or (), strict=True))
        )
        self._log.add(model, rows, answered, requests)
        others = model.count_others(matrix)
        self._metrics.count_answered(len(matrix), others, perf_counter() - started)
        pinball = model.definition.pinball
        return [each[pinball.middle] for each in values] if pinball else values, labels


def evaluate(model: Model, rows: Rows) -> tuple[Rows, Array, Array]:
    """Give rows with what was looked up, their encoded matrix (rows, features), and predictions."""
    try:
        rows = model.look_up(rows)
        matrix = model.encode_rows(rows)
        return rows, matrix, model.predictor.predict(matrix)
    except (Exception, pl.exceptions.PanicException) as error:
        raise explain_failure(model, rows, error) from error


def explain_failure(model: Model, rows: Rows, error: BaseException) -> RequestRefused:
    """Find the feature that rows which fit the schema cannot give, and name it, not its value."""
    if isinstance(error, RequestRefused):
        return error
    if isinstance(error, pl.exceptions.PolarsError):
        frame = rows if isinstance(rows, pl.DataFrame) else model.frame(rows)
        for name, expression in zip(model.features.expressions, model.evaluate, strict=True):
            try:
                frame.select(expression)
            except pl.exceptions.PolarsError:
                columns = expression.meta.root_names()
                return RequestRefused(
                    400, f"feature {name!r} cannot be computed from {columns[0]}", columns[0]
                )
    log.error("prediction failed: %s", first_line(error))
    return RequestRefused(500, "the prediction failed")
