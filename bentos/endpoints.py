"""BentoML's endpoints, `predict` and `explain`: what its clients and deployments know of a service.

Responsible for their types, made from the columns of the version that answers at the moment, and
for their bodies. Over HTTP our own application answers first, by the same code; these answer a
call in Python, and BentoML's application where ours is not in front of it.
"""

import json
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from typing import Any

import bentoml
import msgspec
from _bentoml_sdk.io_models import (  # type: ignore[import-untyped]
    IORootModel,
    IterableResponse,
)
from bentoml._internal.service.openapi.specification import Info, OpenAPISpecification, PathItem

from bentos.app import PredictionApp
from bentos.errors import RequestRefused
from bentos.json_schema import ANSWERS, ASKED, describe_whole
from bentos.openapi import describe_api
from bentos.request_head import RequestHead
from bentos.responses import JSON, write_refusal

_HEADERS = [(b"content-type", JSON)]
_TIMES = (date, datetime, time, timedelta)


class Sent(msgspec.Struct, frozen=True):
    """A request as it came over HTTP: BentoML's way of reading it would lose what we refuse."""

    headers: list[tuple[bytes, bytes]]
    body: bytes


class Answering:
    """Gives the server of this process; where none runs, one is made when it is first wanted."""

    def __init__(self, make: Callable[[], PredictionApp]) -> None:
        self._make = make
        self._server: PredictionApp | None = None

    def set(self, server: PredictionApp) -> None:
        self._server = server

    def get(self) -> PredictionApp:
        if self._server is None:
            self._server = self._make()
        return self._server


def make_endpoints(answering: Answering, begin: Callable[[], None]) -> type:
    """Make the class that BentoML serves, whose endpoints answer by the server of this process.

    `begin` is called once before there is a worker.
    """

    class Endpoints:
        """Predicts rows, and explains predictions, by the version that answers at the moment."""

        @bentoml.api(  # type: ignore[untyped-decorator]
            input_spec=_make_spec(answering, ASKED), output_spec=_answer_spec(answering, "predict")
        )
        def predict(self, asked: Any, /) -> Any:
            """Predict one row, a list of rows, or an object of columns."""
            return answer(answering.get(), "/predict", asked)

        @bentoml.api(  # type: ignore[untyped-decorator]
            input_spec=_make_spec(answering, ASKED), output_spec=_answer_spec(answering, "explain")
        )
        def explain(self, asked: Any, /) -> Any:
            """Give what each feature added to a prediction's raw score."""
            return answer(answering.get(), "/explain", asked)

        @bentoml.on_deployment  # type: ignore[untyped-decorator]
        @staticmethod
        def prepare() -> None:
            """Prepare for workers."""
            begin()

    return Endpoints


def answer(server: PredictionApp, path: str, asked: Any) -> Any:
    """Answer a value, or refuse it by RequestRefused; to a request, give BentoML a response."""
    if not isinstance(asked, Sent):
        return msgspec.json.decode(
            server.answer(path, RequestHead(_HEADERS), write_value(asked))[1]
        )
    try:
        kind, body = server.answer(path, RequestHead(asked.headers), asked.body)
        return _respond(200, kind, body)
    except RequestRefused as refused:
        return _respond(refused.status, JSON, write_refusal(refused))


def write_specification(server: PredictionApp) -> OpenAPISpecification:
    """Write the OpenAPI document in BentoML's own words for one."""
    said = describe_api(server.model, bool(server.token))
    return OpenAPISpecification(
        openapi=said["openapi"],
        info=Info(**said["info"]),
        paths={path: PathItem(**each) for path, each in said["paths"].items()},
        servers=[{"url": "."}],
        components=said["components"],
    )


def write_value(asked: Any) -> bytes:
    """Write a value as a client would send it.

    Not by msgspec, which writes NaN as null and bytes as text: they are to be refused.
    """
    try:
        return json.dumps(asked, default=_write_time).encode()
    except (TypeError, ValueError, RecursionError) as why:
        raise RequestRefused(400, f"what is asked cannot be written as JSON: {why}") from None


def _write_time(value: Any) -> Any:
    if isinstance(value, _TIMES):
        return msgspec.to_builtins(value)
    raise TypeError(f"a value of type {type(value).__name__} has no form in JSON")


def _respond(status: int, kind: bytes, body: bytes) -> IterableResponse:
    headers = {"content-length": str(len(body))}
    return IterableResponse([body], headers, kind.decode(), status)


def _make_spec(answering: Answering, names: tuple[str, ...]) -> type[IORootModel[Any]]:
    """Make a type for BentoML whose schema is that of the version that answers when it is asked.

    It converts nothing: pydantic would take "1.5" and true as numbers.
    """

    class Spec(IORootModel[Any]):  # type: ignore[misc]
        __root_input__ = True

        @classmethod
        def model_json_schema(cls, *args: Any, **options: Any) -> dict[str, Any]:
            root = {"root_input": True} if names is ASKED else {}
            return describe_whole(answering.get().model, names) | root

        @classmethod
        async def from_http_request(cls, request: Any, serde: Any) -> "Spec":
            return cls(Sent(request.headers.raw, await request.body()))

    return Spec


def _answer_spec(answering: Answering, endpoint: str) -> type[IORootModel[Any]]:
    return _make_spec(answering, ANSWERS[endpoint])
