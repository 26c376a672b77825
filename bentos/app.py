"""The service as one ASGI application: which path is answered how, and within which limits.

Responsible for routing, concurrency, time limits and what is logged of a refusal. Not responsible
for columns and features. BentoML's own application is kept for its life cycle, and for what it says
of its endpoints; no row passes it.
"""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import polars as pl

from bentos.bentoml_routes import DESCRIPTIONS, STATIC, Application, ask_bentoml
from bentos.errors import ClientGone, RequestRefused
from bentos.metrics import CONTENT_TYPE, Metrics
from bentos.microbatching import MicroBatcher
from bentos.model import Model
from bentos.openapi import describe_api
from bentos.page import HEADERS, HTML, PAGE
from bentos.prediction_log_writer import PredictionLog
from bentos.prediction_pipeline import PredictionPipeline, evaluate
from bentos.quick_answers import QuickAnswers
from bentos.request_bodies import SMALL, RequestBodies
from bentos.request_head import Receive, RequestHead, Scope, Send, check_host, check_token
from bentos.request_validation import ParsedRequest
from bentos.responses import (
    ARROW,
    JSON,
    write_arrow,
    write_explanations,
    write_many,
    write_model,
    write_one,
    write_refusal,
)
from tasks.core.hosts import named_hosts

log = logging.getLogger("perennial.serving")

Reply = tuple[bytes, bytes]

_WORKERS = 2
_OPEN = frozenset(("/livez", "/readyz", "/healthz", "/", "/docs", *STATIC))


class PredictionApp:
    """Answers by the model that it holds at the moment; `follow` may put another in its place."""

    def __init__(self, model: Model, metrics: Metrics, prediction_log: PredictionLog) -> None:
        self.metrics = metrics
        self.log = prediction_log
        self.problem: Callable[[], str] = lambda: ""
        self.token = b""
        self.bento: Application | None = None
        self.hosts = named_hosts()
        self._bodies = RequestBodies()
        self._pipeline = PredictionPipeline(metrics, prediction_log)
        self.quick = QuickAnswers(metrics, prediction_log, self._check_plain)
        self._batcher = MicroBatcher(self._pipeline)
        self._pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="batch")
        self.swap(model)

    def swap(self, model: Model) -> None:
        """Answer by this model from the next request on; those under way keep theirs."""
        self.quick.rest()  # until all of this is the new one's: no client sees versions go back
        self.limits = model.definition.serving
        self.most_bytes = int(self.limits.max_body_mb * 1_000_000)
        self.known_as = frozenset((*self.hosts, *self.limits.hosts))
        self.metrics.model = (model.name, model.version)
        self.metrics.lookup = model.lookup
        self.model = model
        self.quick.swap(model)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request; nothing that it holds can raise out of here."""
        path, head = scope["path"], RequestHead(scope["headers"])
        status, retry = 200, None
        try:
            kind, body = await self._route(scope, head, receive)
        except RequestRefused as refused:
            status, retry = refused.status, refused.retry_after
            kind, body = JSON, write_refusal(refused)
            self._note(path, head, refused)
        except ClientGone:
            self.metrics.responses[_endpoint(path), 499] += 1
            return
        except (Exception, pl.exceptions.PanicException) as error:
            status, kind = 500, JSON
            body = write_refusal(RequestRefused(500, "the service failed; its log says more"))
            log.error("500 %s request=%s: %s", _endpoint(path), head.request, type(error).__name__)
        self.metrics.responses[_endpoint(path), status] += 1
        headers = [
            (b"content-type", kind),
            (b"content-length", b"%d" % len(body)),
            (b"x-request-id", head.request.encode()),
        ]
        if retry is not None:
            headers.append((b"retry-after", b"%d" % retry))
        if kind is HTML:
            headers.extend(HEADERS)
        if status == 401:
            headers.append((b"www-authenticate", b"Bearer"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _route(self, scope: Scope, head: RequestHead, receive: Receive) -> Reply:
        path, method = scope["path"], scope["method"]
        check_host(head, self.known_as, scope)
        if path not in _METHODS:
            raise RequestRefused(404, "there is nothing here; see /docs")
        if method != _METHODS[path]:
            raise RequestRefused(405, f"{path} takes {_METHODS[path]} only")
        if self.token and path not in _OPEN:
            check_token(head, self.token)
        if path not in _ASKED:
            if path in STATIC or path in DESCRIPTIONS:
                return await ask_bentoml(self.bento, path)
            return self._look(path)
        body = await self._bodies.read(receive, head, self.most_bytes)
        self.metrics.in_flight += 1  # what has not arrived takes no other's place
        try:
            others = self.metrics.elsewhere
            if self.metrics.in_flight + (others() if others else 0) > self.limits.concurrency:
                raise RequestRefused(429, "too many requests at once", retry_after=1)
            return await (self._predict if path == "/predict" else self._explain)(head, body)
        finally:
            self.metrics.in_flight -= 1
            if len(body) > SMALL:
                self._bodies.let_go(body)

    def _check_plain(self, head: RequestHead, scope: Scope) -> None:
        """Refuse, of the heads of one row as JSON, what is not plain or not taken."""
        check_host(head, self.known_as, scope)
        if self.token:
            check_token(head, self.token)
        check_json(head.kind)
        if head.encoding or head.length > self.most_bytes:
            raise RequestRefused(415, "not for the quick way")

    async def _predict(self, head: RequestHead, body: bytes) -> Reply:
        model = self.model
        if head.kind.startswith(JSON):
            check_json(head.kind)
            if len(body) <= SMALL:
                asked = model.schema.decode_json(body)
                if asked.shape == "row":
                    row: Any = asked.rows[0]
                    return JSON, await self._batcher.ask(model, row, head.request)
                return self._predict_many(model, asked, head.request)
        return await self._in_time(self._predict_body, model, head, body)

    def _predict_body(self, model: Model, head: RequestHead, body: bytes) -> Reply:
        return self._predict_many(model, decode(model, head, body), head.request)

    def _predict_many(self, model: Model, asked: ParsedRequest, request: str) -> Reply:
        predictions, labels = self._pipeline.predict(model, asked.rows, [request] * len(asked.rows))
        if asked.shape == "arrow":
            return ARROW, write_arrow(model, predictions, labels)
        if asked.shape == "row":
            return JSON, write_one(model, predictions[0], labels and labels[0])
        return JSON, write_many(model, predictions, labels)

    async def _explain(self, head: RequestHead, body: bytes) -> Reply:
        return await self._in_time(self._explain_body, self.model, head, body)

    def _explain_body(self, model: Model, head: RequestHead, body: bytes) -> Reply:
        if model.predictor.unexplained:
            why = model.predictor.unexplained
            raise RequestRefused(400, f"{model.version} cannot be explained: {why}")
        asked = decode(model, head, body)
        _, matrix, predicted = evaluate(model, asked.rows)
        explained = model.predictor.explain(matrix)
        told = model.tell(matrix, predicted) if model.told != "label" else None
        return JSON, write_explanations(model, predicted, explained, told, asked.shape == "row")

    def answer(self, path: str, head: RequestHead, body: bytes) -> Reply:
        """Answer in this thread what did not come over our own way of HTTP."""
        if len(body) > self.most_bytes:
            raise RequestRefused(413, f"the body is larger than {self.most_bytes} bytes")
        work = self._predict_body if path == "/predict" else self._explain_body
        return work(self.model, head, body)

    async def _in_time(self, work: Callable[..., Reply], *given: Any) -> Reply:
        """Work off the event loop; what is late counts as in flight until it ends, if it began."""
        submitted = self._pool.submit(work, *given)
        job = asyncio.wrap_future(submitted)
        done, _ = await asyncio.wait([job], timeout=self.limits.timeout_s)
        if done:
            return job.result()
        if not submitted.cancel():
            self.metrics.in_flight += 1
            job.add_done_callback(self._end_late)
        raise RequestRefused(504, f"the answer took longer than {self.limits.timeout_s:g} s")

    def _end_late(self, job: "asyncio.Future[Reply]") -> None:
        self.metrics.in_flight -= 1
        job.cancelled() or job.exception()

    def _look(self, path: str) -> Reply:
        if path in ("/", "/docs"):
            return HTML, PAGE.encode()
        if path == "/openapi.json":
            return JSON, msgspec.json.encode(describe_api(self.model, bool(self.token)))
        if path == "/model":
            return JSON, write_model(self.model)
        if path == "/metrics":
            return CONTENT_TYPE, self.metrics.render()
        if path == "/readyz":
            detail = {"ready": True, "model": self.model.name, "version": self.model.version}
            return JSON, msgspec.json.encode({**detail, "problem": self.problem()})
        return JSON, b'{"alive":true}'

    def _note(self, path: str, head: RequestHead, refused: RequestRefused) -> None:
        """Write one line of log for a refused request; it holds no value that was sent."""
        field = "" if refused.field is None else f" field={refused.field[:100]!r}"
        where = _endpoint(path)
        log.warning("%d %s request=%s%s", refused.status, where, head.request, field)


_ASKED = frozenset(("/predict", "/explain"))
_METHODS = {
    **dict.fromkeys(_ASKED, "POST"),
    **dict.fromkeys(("/openapi.json", "/model", "/metrics", *DESCRIPTIONS), "GET"),
    **dict.fromkeys(_OPEN, "GET"),
}


def decode(model: Model, head: RequestHead, body: bytes) -> ParsedRequest:
    if head.kind.split(b";")[0].strip() == ARROW:
        return model.schema.decode_arrow(body)
    check_json(head.kind)
    return model.schema.decode_json(body)


def check_json(kind: bytes) -> None:
    """Take JSON in UTF-8, the only encoding that it has."""
    if kind == JSON:
        return
    name, _, options = kind.lower().partition(b";")
    charset = options.replace(b" ", b"").replace(b'"', b"")
    if name.strip() != JSON or charset not in (b"", b"charset=utf-8"):
        raise RequestRefused(415, f"send {JSON.decode()} or {ARROW.decode()}")


def _endpoint(path: str) -> str:
    return path if path in _METHODS else "other"
