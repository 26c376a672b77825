"""Who may see the page and decide on it: host names, the password, the page's own origin, tokens.

A browser sends a password that it knows with every request, whichever page asks for it. So what
changes anything has to come from this page (Origin and Sec-Fetch-Site) with a token that it was
given. Responsible for these, and for the headers by which a browser loads nothing from elsewhere.
Not responsible for whether a decision is allowed (`tasks.registry.decisions`).
"""

import hashlib
import hmac
import os
import secrets
from base64 import b64encode
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tasks.processes.settings import is_loopback

_READS = ("GET", "HEAD")
_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",  # without one, a form's Origin would be "null"
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


class Guard:
    """An application behind the password; what may not be is refused before it is asked."""

    def __init__(self, app: ASGIApp, password: str, host: str) -> None:
        self._app = app
        self._known = f"Basic {b64encode(password.encode()).decode()}"
        self._names = ("127.0.0.1", "localhost", "::1", host) if is_loopback(host) else ()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request, or let it through; with our headers in both cases."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)

        async def add_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        asked = self._refuse(scope["method"], Headers(scope=scope)) or self._app
        try:
            await asked(scope, receive, add_headers)
        except Exception:  # told on the page already, in one line
            if os.environ.get("PERENNIAL_DEBUG"):
                raise

    def _refuse(self, method: str, headers: Headers) -> PlainTextResponse | None:
        if self._names and _host_of(headers.get("host", "")) not in self._names:
            return PlainTextResponse("this name is not the page's own", 400)
        if method not in _READS and not is_own(headers):
            return PlainTextResponse("decisions are made on the page itself, on no other", 403)
        if not hmac.compare_digest(headers.get("authorization", "").encode(), self._known.encode()):
            asks = {"www-authenticate": 'Basic realm="perennial", charset="UTF-8"'}
            return PlainTextResponse("give the password of `perennial up`", 401, asks)
        return None


def is_own(headers: Headers) -> bool:
    """Tell whether a browser says that our own page asks; one that says nothing is not believed."""
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    if origin is not None and urlsplit(origin).netloc != headers.get("host"):
        return False
    return site == "same-origin" if site is not None else origin is not None


class Tokens:
    """Tokens of forms, each for one decision alone; they end with this process."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)

    def make(self, *words: str) -> str:
        """Make the token of what a form says."""
        said = b"\x00".join(word.encode() for word in words)
        return hmac.new(self._secret, said, hashlib.sha256).hexdigest()

    def fit(self, token: str, *words: str) -> bool:
        return hmac.compare_digest(token.encode(), self.make(*words).encode())


def _host_of(given: str) -> str:
    try:
        return urlsplit(f"//{given}").hostname or ""
    except ValueError:
        return ""
