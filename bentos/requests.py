"""One HTTP request as ASGI gives it: its head checked, its body read within limits.

Owns what may be asked for by whom and how large it may be. Refuses to know what a body means.
"""

import hmac
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from itertools import count
from os import urandom
from typing import Any

from bentos.refusals import ClientGone, Refused

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_PREFIX = urandom(6).hex()
_NUMBERS = count(1)
_LONGEST_ID = 128


class Head:
    """The few headers that matter here."""

    __slots__ = ("encoding", "kind", "length", "request", "token")

    def __init__(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        given = dict(headers)
        self.kind = given.get(b"content-type", b"")
        self.token = given.get(b"authorization", b"")
        self.encoding = given.get(b"content-encoding", b"")
        length = given.get(b"content-length", b"")
        self.length = int(length) if length.isdigit() else 0
        self.request = _plain(given.get(b"x-request-id", b"")) or f"{_PREFIX}-{next(_NUMBERS):x}"


def check_token(head: Head, token: bytes) -> None:
    """Compare the bearer token without telling by the time taken how much of it was right."""
    if token and not hmac.compare_digest(head.token, b"Bearer " + token):
        raise Refused(401, "a bearer token is needed, or this one is wrong")


async def read_body(receive: Receive, head: Head, most: int) -> bytes:
    """Read a body, as it comes whole or in chunks, up to a size."""
    if head.encoding not in (b"", b"identity"):
        raise Refused(415, "a content-encoding is not understood; send the body as it is")
    if head.length > most:
        raise _too_large(most)
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientGone
    body: bytes = message.get("body", b"")
    if not message.get("more_body"):
        if len(body) > most:
            raise _too_large(most)
        return body
    return await _read_rest(receive, body, most)


async def _read_rest(receive: Receive, first: bytes, most: int) -> bytes:
    parts, size = [first], len(first)
    while size <= most:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if not message.get("more_body") and size <= most:
            return b"".join(parts)
    raise _too_large(most)


def _too_large(most: int) -> Refused:
    return Refused(413, f"the body is larger than {most} bytes")


def _plain(value: bytes) -> str:
    """Take a client's request id when it is short and cannot forge a line of a log."""
    if not value:
        return ""
    text = value[:_LONGEST_ID].decode("latin-1")
    return text if text.isascii() and text.isprintable() and len(value) <= _LONGEST_ID else ""
