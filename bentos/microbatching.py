"""One evaluation for all single rows that wait in the same turn of the event loop.

Owns the waiting rows and who is told what. Refuses to wait on a clock: a row alone is answered
at once, a crowd together.
"""

import asyncio
import logging
from collections.abc import Sequence
from time import perf_counter
from typing import NamedTuple

import polars as pl

from bentos.errors import RequestRefused
from bentos.metrics import Metrics
from bentos.model import Model
from bentos.prediction_log import PredictionLog
from bentos.request_parsing import Row
from bentos.responses import write_one
from tasks.core.errors import first_line

log = logging.getLogger("perennial.serving")


class Waiting(NamedTuple):
    model: Model
    row: Row
    request: str
    answer: "asyncio.Future[bytes]"


class MicroBatcher:
    def __init__(self, metrics: Metrics, log: PredictionLog) -> None:
        self._waiting: list[Waiting] = []
        self._metrics = metrics
        self._log = log

    def ask(self, model: Model, row: Row, request: str) -> "asyncio.Future[bytes]":
        """Add a row to those that wait; the future gives its answer."""
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self._answer_all)
        answer = loop.create_future()
        self._waiting.append(Waiting(model, row, request, answer))
        return answer

    def _answer_all(self) -> None:
        waiting, self._waiting = self._waiting, []
        model = waiting[0].model
        if all(each.model is model for each in waiting):
            self._answer(model, waiting)
        else:
            for model in dict.fromkeys(each.model for each in waiting):
                self._answer(model, [each for each in waiting if each.model is model])

    def _answer(self, model: Model, waiting: list[Waiting]) -> None:
        started = perf_counter()
        rows = [each.row for each in waiting]
        try:
            rows = model.look_up_rows(rows)
            matrix = model.number_rows(rows)
            predicted = model.predictor.predict(matrix)
            labels = model.label(predicted)
        except (Exception, pl.exceptions.PanicException) as error:
            self._refuse(model, waiting, rows, error)
            return
        values = predicted.tolist()
        for each, value, label in zip(waiting, values, labels or [None] * len(rows), strict=True):
            if not each.answer.done():
                each.answer.set_result(write_one(model, value, label))
        self._log.add(model, rows, values, [each.request for each in waiting])
        self._metrics.count_answered(model, matrix, perf_counter() - started)

    def _refuse(
        self, model: Model, waiting: list[Waiting], rows: list[Row], error: BaseException
    ) -> None:
        """Answer one by one where together failed: one odd row must not cost the others."""
        if len(waiting) > 1:
            for each in waiting:
                self._answer(model, [each])
        elif not waiting[0].answer.done():
            waiting[0].answer.set_exception(explain_failure(model, rows, error))


def explain_failure(
    model: Model, rows: Sequence[Row] | pl.DataFrame, error: BaseException
) -> RequestRefused:
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
                    400, f"feature {name!r} cannot be computed from it", columns[0]
                )
    log.error("prediction failed: %s", first_line(error))
    return RequestRefused(500, "the prediction failed")
