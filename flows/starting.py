"""Prefect's temporary server, started while the libraries of the steps load.

Owns that overlap, which saves a command some seconds. Refuses to start anything where a Prefect
server is named by its address.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Thread


@contextmanager
def starting_prefect() -> Iterator[None]:
    """Start the server in a process of its own; on leaving, wait until it answers."""
    from prefect.settings import PREFECT_API_URL

    if PREFECT_API_URL.value():
        yield
        return
    from prefect.server.api.server import SubprocessASGIServer

    def start() -> None:
        with suppress(RuntimeError):  # the flow tries again, and tells
            SubprocessASGIServer().start()

    server = Thread(target=start, name="prefect", daemon=True)
    server.start()
    try:
        yield
    finally:
        server.join()
