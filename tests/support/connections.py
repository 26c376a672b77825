"""One connection to an application in this process: bytes in, bytes out, as Uvicorn would."""

import asyncio
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from uvicorn.config import Config
from uvicorn.server import ServerState

from bentos.app import PredictionApp
from bentos.metrics import Metrics
from bentos.model import Model
from bentos.prediction_log_writer import PredictionLog
from bentos.quick_protocol import QuickProtocol
from bentos.slow_clients import TimedProtocol
from tasks.storage.store import open_store

Open = Callable[..., "Connection"]
OWN = re.compile(rb"(x-request-id|date): [^\r]*\r\n")  # what two answers never share


class Wire:
    """The other end of a connection: it takes what is written, and can be closed."""

    def __init__(self, address: str) -> None:
        self.address, self.closed, self.written = address, False, b""

    def write(self, data: bytes) -> None:
        if not self.closed:
            self.written += data

    def close(self) -> None:
        self.closed = True

    abort = close

    def is_closing(self) -> bool:
        return self.closed

    def get_extra_info(self, name: str) -> Any:
        return (self.address, 1) if name in ("sockname", "peername") else None

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class Connection:
    """A connection that takes quick answers, or none (`quick=False`)."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        app: PredictionApp,
        quick: bool = True,
        address: str = "127.0.0.1",
    ) -> None:
        config = Config(app, log_config=None, lifespan="off", access_log=False)
        base = QuickProtocol if quick else TimedProtocol
        kind = type("Tried", (base,), {"__slots__": (), "quick": app.quick})
        self.loop, self.app, self.wire = loop, app, Wire(address)
        self.protocol = kind(config, ServerState(), {}, loop)
        self.protocol.connection_made(self.wire)

    def send(self, data: bytes, answers: int = 1) -> bytes:
        """Send bytes; give what is answered to them, once there are so many answers."""
        before = len(self.wire.written)
        if not self.wire.closed:
            self.protocol.data_received(data)
        until = time.monotonic() + 10
        while self.wire.written[before:].count(b"HTTP/1.1 ") < answers and not self.wire.closed:
            assert time.monotonic() < until, self.wire.written[before:]
            self.loop.run_until_complete(asyncio.sleep(0.0001))
        self.loop.run_until_complete(asyncio.sleep(0))
        return self.wire.written[before:]

    def settle(self) -> None:
        """Let what was read be answered."""
        until = time.monotonic() + 10
        while self._is_answering():
            assert time.monotonic() < until, self.wire.written
            self.loop.run_until_complete(asyncio.sleep(0.0001))

    def _is_answering(self) -> bool:
        cycle = self.protocol.cycle
        if cycle is None or self.wire.closed:
            return False
        return bool(self.protocol.pipeline) or not (cycle.response_complete or cycle.more_body)

    def close(self) -> None:
        self.protocol.connection_lost(None)
        self.loop.run_until_complete(asyncio.sleep(0))


def make_app(model: Model, root: Path | None = None) -> PredictionApp:
    metrics = Metrics()
    store = None if root is None else open_store(str(root))
    return PredictionApp(model, metrics, PredictionLog(store, metrics))


def post(body: bytes, *lines: str, path: str = "/predict") -> bytes:
    """Write a request for predictions."""
    given = ("host: localhost", "content-type: application/json", *lines)
    head = "".join(f"{line}\r\n" for line in given)
    return f"POST {path} HTTP/1.1\r\n{head}content-length: {len(body)}\r\n\r\n".encode() + body


def without_own(answer: bytes) -> bytes:
    return OWN.sub(b"", answer)
