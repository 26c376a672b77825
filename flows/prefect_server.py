"""Prefect's server as a process, with allowed host names (DNS rebinding) and a password.

    python -m flows.prefect_server HOST PORT      until it is asked to stop
    python -m flows.prefect_server SOCKET         on a socket that listens already, until the
                                                  process that holds its standard input is gone

On loopback, only its own names are allowed as Host: another name is that of a page elsewhere. On
other addresses, whose names are not known here, the password alone protects it.
"""

import logging
import os
import socket
import sys
import threading

from tasks.processes.bento_server import HOST
from tasks.processes.settings import is_loopback

_MESSAGES = "prefect.server.utilities.messaging.memory"  # which logs what an action raises


def main() -> None:
    """Serve Prefect's API, and its UI where that is not switched off."""
    if len(sys.argv) == 2:
        threading.Thread(target=end_with_input, daemon=True).start()
        serve(HOST, 0, socket.socket(fileno=int(sys.argv[1])))
    else:
        serve(sys.argv[1], int(sys.argv[2]))


def end_with_input() -> None:
    """End this process when its standard input is closed: its parent is gone."""
    while os.read(0, 1):
        pass
    os._exit(1)


def hide_address(record: logging.LogRecord) -> bool:
    """Leave out of a log record the address of a webhook that failed: it may be its secret."""
    from httpx import HTTPError

    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, HTTPError):
        record.msg, record.args = "a message was not sent: %s", (type(error).__name__,)
        record.exc_info = record.exc_text = None
    return True


def serve(host: str, port: int, listening: socket.socket | None = None) -> None:
    """Run the server until it is stopped, on a socket that listens already where one is given."""
    import uvicorn
    from fastapi.middleware.trustedhost import TrustedHostMiddleware
    from prefect.server.api.server import create_app
    from prefect.settings import get_current_settings

    names = [HOST, "localhost", host] if is_loopback(host) else ["*"]
    app = TrustedHostMiddleware(create_app(final=True), allowed_hosts=names, www_redirect=False)
    logging.getLogger(_MESSAGES).addFilter(hide_address)
    settings = get_current_settings().server
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        lifespan="on",
        timeout_keep_alive=settings.api.keepalive_timeout,
        ws_ping_interval=settings.api.websocket_ping_interval,
        ws_ping_timeout=settings.api.websocket_ping_timeout,
        log_level=settings.logging_level.lower(),
    )
    uvicorn.Server(config).run([listening] if listening else None)


if __name__ == "__main__":
    main()
