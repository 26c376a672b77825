"""The head of an HTTP request: its few headers that matter here, its host and its token.

Responsible for who may ask, and for which host. Not responsible for bodies.
"""

import hmac
from collections.abc import Awaitable, Callable, MutableMapping
from itertools import count
from os import urandom
from typing import Any

from bentos.errors import LONGEST_NAME, RequestRefused
from tasks.core.hosts import is_host

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_PREFIX = urandom(6).hex()
_NUMBERS = count(1)
_LONGEST_ID = 128
_ONCE = (b"host", b"authorization", b"content-type", b"content-length", b"content-encoding")


class RequestHead:
    """The few headers that matter here."""

    __slots__ = ("encoding", "host", "kind", "length", "repeated", "request", "token")

    def __init__(self, headers: list[tuple[bytes, bytes]]) -> None:
        given = dict(headers)
        self.repeated = b"" if len(given) == len(headers) else _find_repeated(headers)
        self.host = given.get(b"host")
        self.kind = given.get(b"content-type", b"")
        self.token = given.get(b"authorization", b"")
        self.encoding = given.get(b"content-encoding", b"")
        length = given.get(b"content-length", b"")
        self.length = int(length) if length.isdigit() else 0
        self.request = _plain(given.get(b"x-request-id", b"")) or next_id()


def next_id() -> str:
    """Name a request that came without a name of its own."""
    return f"{_PREFIX}-{next(_NUMBERS):x}"


def check_token(head: RequestHead, token: bytes) -> None:
    """Compare the bearer token without telling by the time taken how much of it was right."""
    scheme, _, given = head.token.partition(b" ")
    right = hmac.compare_digest(given.lstrip(b" "), token)
    if not (right and scheme.lower() == b"bearer"):
        raise RequestRefused(401, "a bearer token is needed, or this one is wrong")


def check_host(head: RequestHead, hosts: frozenset[str], scope: Scope) -> None:
    """Refuse a request that is meant for another host, or does not say one for all."""
    if head.repeated:
        raise RequestRefused(400, f"the header {head.repeated.decode()} is given twice")
    if head.host is None:
        if scope["http_version"] != "1.0":
            raise RequestRefused(400, "the header host is missing")
    elif not is_host(head.host, hosts, (scope.get("server") or ("",))[0]):
        name = head.host.decode("latin-1")[:LONGEST_NAME]
        hint = "name it in [serving] hosts or PERENNIAL_HOSTS"
        raise RequestRefused(421, f"{name!r} is no host of this service; {hint}")


def _plain(value: bytes) -> str:
    """Take a client's request id when it is short and cannot forge a line of a log."""
    if not value:
        return ""
    text = value[:_LONGEST_ID].decode("latin-1")
    return text if text.isascii() and text.isprintable() and len(value) <= _LONGEST_ID else ""


def _find_repeated(headers: list[tuple[bytes, bytes]]) -> bytes:
    """Name a header that servers and proxies read differently when it comes twice."""
    names = [name for name, _ in headers]
    return next((name for name in _ONCE if names.count(name) > 1), b"")
