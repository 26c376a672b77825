"""Micro-batching: one prediction for all single rows that wait in the same turn of the event loop.

Responsible for the waiting rows and who is told what. There is no timer: a row alone is answered
at once, a crowd together.
"""

import asyncio
from typing import NamedTuple

from bentos.columns import Row
from bentos.model import Model
from bentos.prediction_pipeline import PredictionPipeline
from bentos.responses import write_one


class Waiting(NamedTuple):
    model: Model
    row: Row
    request: str
    answer: "asyncio.Future[bytes]"


class MicroBatcher:
    def __init__(self, pipeline: PredictionPipeline) -> None:
        self._waiting: list[Waiting] = []
        self._predict = pipeline.predict

    def ask(self, model: Model, row: Row, request: str) -> "asyncio.Future[bytes]":
        """Add a row to those that wait; the future gives its answer as JSON."""
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
        try:
            values, labels = self._predict(
                model, [each.row for each in waiting], [each.request for each in waiting]
            )
        except Exception as error:
            self._refuse(model, waiting, error)
            return
        for each, value, label in zip(waiting, values, labels or [None] * len(values), strict=True):
            if not each.answer.done():
                each.answer.set_result(write_one(model, value, label))

    def _refuse(self, model: Model, waiting: list[Waiting], error: Exception) -> None:
        """Answer one by one where together failed: one odd row must not cost the others."""
        if len(waiting) > 1:
            for each in waiting:
                self._answer(model, [each])
        elif not waiting[0].answer.done():
            waiting[0].answer.set_exception(error)
