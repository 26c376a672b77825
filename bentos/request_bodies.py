"""Bodies of requests, read as they come: each within a size, and all together within another.

Responsible for how much of what clients send is held at once, not for what it means. A body that
has not arrived holds up nobody: where room runs out, the one that has taken longest goes.
"""

from bentos.errors import ClientGone, RequestRefused
from bentos.request_head import Receive, RequestHead

SMALL = 16_384  # what is larger is counted, and answered off the event loop
_MOST_WHOLE = 16  # the room for all bodies, in bodies of the largest size


class ArrivingBody:
    """What has come so far of one body."""

    __slots__ = ("data", "dropped")

    def __init__(self) -> None:
        self.data = bytearray()
        self.dropped = False


class RequestBodies:
    """All that is held of bodies: some still arriving, others whole and not answered yet."""

    def __init__(self) -> None:
        self.held = 0
        self._arriving: dict[ArrivingBody, None] = {}  # in the order in which they began

    async def read(self, receive: Receive, head: RequestHead, most: int) -> bytes:
        """Read a body, as it comes whole or in chunks, up to a size; `let_go` of it afterwards."""
        if head.encoding not in (b"", b"identity"):
            raise RequestRefused(
                415, "a content-encoding is not understood; send the body as it is"
            )
        if head.length > most:
            raise _too_large(most)
        message = await receive()  # not by `_receive`: most bodies come whole, and each call costs
        if message["type"] == "http.disconnect":
            raise ClientGone
        part: bytes = message.get("body", b"")
        more = message.get("more_body", False)
        if not more and len(part) <= min(SMALL, most):
            return part
        arriving = ArrivingBody()
        self._arriving[arriving] = None
        try:
            self._hold(arriving, part, most)
            while more:
                part, more = await _receive(receive)
                self._hold(arriving, part, most)
            body = bytes(arriving.data)
        except BaseException:
            self._drop(arriving)
            raise
        del self._arriving[arriving]
        if len(body) <= SMALL:
            self.held -= len(body)
        return body

    def let_go(self, body: bytes) -> None:
        """Make room again, once a body is answered."""
        if len(body) > SMALL:
            self.held -= len(body)

    def _hold(self, arriving: ArrivingBody, part: bytes, most: int) -> None:
        if len(arriving.data) + len(part) > most:
            raise _too_large(most)
        room = _MOST_WHOLE * most
        while self.held + len(part) > room and self._arriving:
            self._drop(next(iter(self._arriving)))
        if arriving.dropped:
            raise RequestRefused(
                429, "too many bodies at once, and this one was slow", retry_after=1
            )
        arriving.data += part
        self.held += len(part)

    def _drop(self, arriving: ArrivingBody) -> None:
        """Free what has come of a body; whoever reads it is told with the next part."""
        if arriving in self._arriving:
            del self._arriving[arriving]
            self.held -= len(arriving.data)
            arriving.data = bytearray()
            arriving.dropped = True


async def _receive(receive: Receive) -> tuple[bytes, bool]:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientGone
    return message.get("body", b""), message.get("more_body", False)


def _too_large(most: int) -> RequestRefused:
    return RequestRefused(413, f"the body is larger than {most} bytes")
