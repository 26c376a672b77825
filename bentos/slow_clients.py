"""Limits for slow clients, endless heads and upgrades, where HTTP is read off a connection.

Responsible for how long a request may take to arrive and an answer to be taken, how long its head
may be, and how many requests may wait on one connection. By hand, as Uvicorn itself waits for ever
for the rest of a request that has begun, keeps every header that comes, and puts trailers among
the headers.
"""

import asyncio
from typing import NoReturn

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

LONGEST_HEAD = 65_536  # bytes of path and headers, or of what stands between a body's chunks
_PIECE = 16_384  # the parser grows what it has of a header by copying: it is given little at once
_MOST_PIPELINED = 32
_MOST_PARTS, _SMALLEST_PART = 1_000, 64  # each costs the same, however little is in it


class BadRequest(Exception):
    """What is being read is no request that this server takes."""


class TimedProtocol(HttpToolsProtocol):
    """Notes when a request began to arrive; one sweep a second closes what takes too long.

    There is no timer for each request: at thousands a second, those would cost more than answers.
    """

    # In slots: Uvicorn's attributes fill what Python keeps quick in an object's own dictionary.
    __slots__ = ("began", "between", "blocked", "moved", "parts", "refusal", "size")

    open: set["TimedProtocol"] = set()  # noqa: RUF012  every connection of this process
    seconds = 30.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.began: float | None = self.loop.time()
        self.blocked: float | None = None
        self.moved = False  # whether a piece began a request, ended a head or held some of a body
        self.between = 0  # bytes read since then
        self.parts = self.size = 0  # of the body so far
        self.refusal = 400, ""
        super().connection_made(transport)
        self.open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.open.discard(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if len(data) > _PIECE:
            for start in range(0, len(data), _PIECE):
                if not self.transport.is_closing():
                    self.data_received(data[start : start + _PIECE])
            return
        self.moved = False
        HttpToolsProtocol.data_received(self, data)  # as below, not by `super()`: each call costs
        if self.moved:
            self.between = 0
            return
        self.between += len(data)
        if self.between > LONGEST_HEAD and not self.transport.is_closing():
            self.refusal = _TOO_LONG
            self.send_400_response("")

    def on_message_begin(self) -> None:
        if len(self.pipeline) >= _MOST_PIPELINED:
            self._refuse(400, "Too many requests wait on this connection.")
        self.began = self.loop.time()
        self.moved = True
        self.parts = self.size = 0
        HttpToolsProtocol.on_message_begin(self)

    def on_headers_complete(self) -> None:
        if self.between > LONGEST_HEAD - 2 * _PIECE and self._measure_head() > LONGEST_HEAD:
            self._refuse(*_TOO_LONG)
        if self.parser.should_upgrade() and self._cannot_stay():
            self._refuse(400, "There is no upgrade to another protocol here.")
        if not self.url.startswith(b"/"):
            self._take_host_from_url()
        self.moved = True
        HttpToolsProtocol.on_headers_complete(self)
        self.headers = []  # the request has its own; what follows a body's chunks is not among them

    def on_body(self, body: bytes) -> None:
        self.moved = True
        self.parts += 1
        self.size += len(body)
        if self.parts > _MOST_PARTS and self.size < self.parts * _SMALLEST_PART:
            self._refuse(400, f"The body comes in chunks of less than {_SMALLEST_PART} bytes.")
        HttpToolsProtocol.on_body(self, body)

    def on_message_complete(self) -> None:
        self.began = None
        HttpToolsProtocol.on_message_complete(self)

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

    def _cannot_stay(self) -> bool:
        """Tell an upgrade that cannot be left undone: the parser takes a body for the other side's.

        Read on, what is in it would be the next request.
        """
        names = {name for name, _ in self.headers}
        asks = self._get_upgrade() == b"websocket"
        return asks or b"content-length" in names or b"transfer-encoding" in names

    def _measure_head(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _take_host_from_url(self) -> None:
        """Take the host that a whole URL names, which counts instead of the header."""
        host = httptools.parse_url(self.url).host
        if host is None:
            return
        host = b"[%b]" % host if b":" in host else host
        others = [each for each in self.headers if each[0] != b"host"]
        self.headers[:] = [*others, (b"host", host)]

    def _refuse(self, status: int, why: str) -> NoReturn:
        """Let the parser fail, upon which `data_received` sends the refusal."""
        self.refusal = status, why
        raise BadRequest(why)

    def send_400_response(self, msg: str) -> None:
        """Say what is wrong with the request, and close."""
        status, why = self.refusal
        said = (why or msg).encode()
        self.transport.write(
            b"%bcontent-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\n"
            b"connection: close\r\n\r\n%b" % (STATUS_LINE[status], len(said), said)
        )
        self.transport.close()

    def _unsupported_upgrade_warning(self) -> None:
        """Say nothing: another upgrade than to web sockets may be left undone, and is."""


_TOO_LONG = 431, f"The head is longer than {LONGEST_HEAD} bytes."


async def sweep() -> None:
    """Close slow connections, as long as the server runs."""
    while True:
        await asyncio.sleep(min(1.0, TimedProtocol.seconds / 4))
        now = asyncio.get_running_loop().time()
        for connection in [each for each in TimedProtocol.open if each.is_slow(now)]:
            connection.transport.abort()
