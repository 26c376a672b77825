"""A bare ASGI echo: the most that Uvicorn can do."""

from typing import Any


async def echo(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Give back what came: the most that the server below can do."""
    if scope["type"] != "http":
        return
    body = (await receive())["body"]
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
