"""Limits for slow clients and endless heads, where HTTP is read off a connection.

Owns how long a request may take to arrive and an answer to be taken, and how many headers it may
have. Refuses to look at what is in it. Uvicorn itself waits for ever for the rest of a request that
has begun, and keeps every header that comes.
"""

import asyncio
from typing import Any

import uvicorn.protocols.http.auto
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_MOST_HEADERS, _LONGEST_PATH = 200, 64_000


class TimedProtocol(HttpToolsProtocol):
    """Notes when a request began to arrive; one sweep a second closes what takes too long.

    There is no timer for each request: at thousands a second, those would cost more than answers.
    """

    open: set["TimedProtocol"] = set()  # noqa: RUF012  every connection of this process
    seconds = 30.0

    url = b""  # Uvicorn has none before the first request
    began: float | None = None
    blocked: float | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.began = self.loop.time()
        self.open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.open.discard(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.headers and len(self.headers) > _MOST_HEADERS:
            self.send_400_response("Too many headers.")
        elif self.url and len(self.url) > _LONGEST_PATH:
            self.send_400_response("Too long a path.")

    def on_message_begin(self) -> None:
        self.began = self.loop.time()
        super().on_message_begin()

    def on_message_complete(self) -> None:
        self.began = None
        super().on_message_complete()

    def pause_writing(self) -> None:
        self.blocked = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        self.blocked = None
        super().resume_writing()

    def is_slow(self, now: float) -> bool:
        return any(
            since is not None and now - since > self.seconds for since in (self.began, self.blocked)
        )


def limit_slow_clients(seconds: float) -> None:
    """Let every connection that Uvicorn takes from now on be a timed one."""
    TimedProtocol.seconds = seconds
    auto: Any = uvicorn.protocols.http.auto
    auto.AutoHTTPProtocol = TimedProtocol


async def sweep() -> None:
    """Close slow connections, as long as the server runs."""
    while True:
        await asyncio.sleep(min(1.0, TimedProtocol.seconds / 4))
        now = asyncio.get_running_loop().time()
        for connection in [each for each in TimedProtocol.open if each.is_slow(now)]:
            connection.transport.abort()
