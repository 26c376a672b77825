"""The connection of a client whose plain requests are answered as soon as they are read.

Responsible for when a connection may be answered so: nothing of it is being read, answered or
waits to be taken. Not responsible for the answers (`quick_answers`), nor for all other requests:
those go through Uvicorn's own parser to the ASGI application.
"""

import asyncio
from typing import Any, ClassVar, cast

import uvicorn.protocols.http.auto

from bentos.quick_answers import QuickAnswers
from bentos.request_head import Scope
from bentos.slow_clients import TimedProtocol

_START = b"HTTP/1.1 200 OK\r\n%bcontent-type: application/json\r\ncontent-length: "


class QuickProtocol(TimedProtocol):
    """A timed connection that asks for a quick answer first."""

    __slots__ = ("address", "fresh", "given", "rested", "start")

    quick: ClassVar[QuickAnswers]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        TimedProtocol.connection_made(self, transport)
        self.address = self.server[0] if self.server else ""
        self.fresh = True  # the parser was given nothing yet
        self.rested: float | None = None  # since the last quick answer
        self.given: object = None
        self.start = b""

    def data_received(self, data: bytes) -> None:
        if not self._rests():
            TimedProtocol.data_received(self, data)
            return
        state = self.server_state
        if self.given is not state.default_headers:  # they hold the date: new ones each second
            self.given = state.default_headers
            lines = [b"%b: %b\r\n" % header for header in state.default_headers]
            self.start = _START % b"".join(lines)
        answer = self.quick.answer(self.address, data, self.start)
        if answer is None:
            self.rested, self.fresh = None, False
            TimedProtocol.data_received(self, data)
            self._learn(data)
            return
        self.transport.write(answer)
        self.began = None
        self.rested = self.loop.time()
        state.total_requests += 1
        if self.timeout_keep_alive_task is not None:
            self._unset_keepalive_if_required()

    def _rests(self) -> bool:
        """Tell whether what comes next is the beginning of a request, and may be answered."""
        if self.blocked is not None:
            return False
        cycle = self.cycle
        return self.fresh if cycle is None else self.began is None and cycle.response_complete

    def is_slow(self, now: float) -> bool:
        """Tell of one that asks nothing more, too: there is no timer for each quick answer."""
        idle = self.rested is not None and now - self.rested > self.timeout_keep_alive
        return idle or TimedProtocol.is_slow(self, now)

    def _learn(self, data: bytes) -> None:
        """Learn from one whole request that the parser has taken."""
        whole = self.began is None and self.cycle is not None and not self.pipeline
        if whole and self.cycle.keep_alive and not self.transport.is_closing():
            self.quick.learn(self.address, data, cast(Scope, self.scope))


def answer_quickly(quick: QuickAnswers, seconds: float) -> None:
    """Let every connection that Uvicorn takes from now on ask for quick answers, and be timed.

    `seconds` is how long a request may take to arrive, and an answer to be taken.
    """
    QuickProtocol.quick, TimedProtocol.seconds = quick, seconds
    auto: Any = uvicorn.protocols.http.auto
    auto.AutoHTTPProtocol = QuickProtocol
