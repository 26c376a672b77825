"""The page as a process: bound to an address, behind the password, until it is stopped."""

import gc
import logging
from collections.abc import Callable
from typing import Any

import uvicorn

from flows.ui.app import make_app
from tasks.processes.bento_server import refuse_taken
from tasks.processes.settings import PASSWORDS, settle_environment, settle_variables
from tasks.storage.store import Store

_HELD_SECONDS = 3


def serve(store: Store, host: str, port: int, tell: Callable[[dict[str, Any]], None]) -> None:
    """Serve the page, and say where once it answers; StartFailed for a port that is taken.

    DefinitionError for an address that others reach without a password of their choice.
    """
    refuse_taken(host, port)
    here = settle_environment().model_copy(update={"host": host})
    password = settle_variables(here)[PASSWORDS[0]]
    kept = str(here.password) if here.password.exists() else None
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    config = uvicorn.Config(
        make_app(store, password, host),
        host=host,
        port=port,
        loop="asyncio",
        access_log=False,
        server_header=False,
        log_config=None,
        timeout_graceful_shutdown=_HELD_SECONDS,
    )
    name = f"[{host}]" if ":" in host else host
    said = {"url": f"http://{name}:{port}/", "root": store.root, "password": kept}
    _Telling(config, lambda: tell(said)).run()


class _Telling(uvicorn.Server):
    """A server that tells when it listens."""

    def __init__(self, config: uvicorn.Config, tell: Callable[[], None]) -> None:
        super().__init__(config)
        self._tell = tell

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        if self.started:
            gc.collect()
            gc.freeze()  # half the time of a year of looks went into searching modules for garbage
            self._tell()
