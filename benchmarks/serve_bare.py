"""The service's own handler on bare Uvicorn: what BentoML around it costs."""

from typing import Any

from bentos.service import Running


async def _nothing(scope: Any, receive: Any, send: Any) -> None:
    """Start and stop when asked to, as BentoML's application does."""
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


app = Running(_nothing)
