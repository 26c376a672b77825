"""An application, or the pages of `perennial ui`, served by a thread of this process."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from servers import wait_for

from flows.ui.app import make_app
from tasks.storage.store import Store

PASSWORD = "ada:lovelace"


@contextmanager
def serving_page(store: Store) -> Iterator[str]:
    """Serve the page over a root, and give its host and port."""
    with serving_app(make_app(store, PASSWORD)) as port:
        yield f"127.0.0.1:{port}"


@contextmanager
def serving_app(app: Any) -> Iterator[int]:
    """Serve an application on a free port of loopback, and give that."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off"))
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    try:
        wait_for(lambda: server.started)
        yield listening.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()
        listening.close()
