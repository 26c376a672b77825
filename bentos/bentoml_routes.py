"""The paths that BentoML's own application answers, behind our checks of host and token.

Responsible for which these are, and for taking an answer from it. A request's headers and body do
not reach it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from bentos.errors import RequestRefused
from bentos.request_head import Message, Receive, Scope, Send

Application = Callable[[Scope, Receive, Send], Awaitable[None]]

DESCRIPTIONS = ("/schema.json", "/docs.json")
# Of Swagger UI, as BentoML ships it. A browser brings no token when it loads a page's parts.
STATIC = (
    "/static_content/swagger-ui-bundle.js",
    "/static_content/swagger-ui.css",
    "/static_content/favicon-light-32x32.png",
)


async def ask_bentoml(application: Application | None, path: str) -> tuple[bytes, bytes]:
    """Give the type and body of what BentoML's application answers to a GET."""
    if application is None:
        raise RequestRefused(404, "there is nothing here; see /docs")
    said: list[Message] = []

    async def receive() -> Message:
        return await asyncio.Future()  # it waits for a client to go, and this one stays

    async def send(message: Message) -> None:
        said.append(message)

    await application(_scope(path), receive, send)
    if not said or said[0]["status"] != 200:
        raise RequestRefused(404, "there is nothing here; see /docs")
    headers = dict(said[0]["headers"])
    body = b"".join(part.get("body", b"") for part in said[1:])
    return headers.get(b"content-type", b"application/octet-stream"), body


def _scope(path: str) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(b"host", b"localhost")],
        "client": None,
        "server": None,
    }
