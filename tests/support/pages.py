"""The pages of `perennial ui`, served by a thread of this process on a free port."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from servers import wait_for

from flows.ui.app import make_app
from tasks.storage.store import Store

PASSWORD = "ada:lovelace"


@contextmanager
def serving_page(store: Store) -> Iterator[str]:
    """Serve the page over a root, and give its host and port."""
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(make_app(store, PASSWORD), log_level="critical", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    try:
        wait_for(lambda: server.started)
        yield f"127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listening.close()
