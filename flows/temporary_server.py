"""A temporary Prefect server for one run, where no server is set; it ends with the run.

It has a session of its own, so that Ctrl-C reaches the run alone. On Linux the kernel ends it with
the run; elsewhere the end of its standard input does. It prints nothing, so that no pipe waits for
it, and asks for a password that only this run has. Runs stay in Prefect's database.
"""

import atexit
import os
import secrets
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from threading import Event
from typing import IO

from tasks.core.errors import StartFailed
from tasks.processes.bento_server import HOST, last_line, leash, stop_server
from tasks.processes.settings import PASSWORDS

_brought = Event()
_READY_SECONDS, _STOP_SECONDS = 120.0, 5.0
_GIVEN_UP = "ERROR:    Application startup failed"  # by uvicorn, after what it was
_KIND = {
    "PREFECT_SERVER_UI_ENABLED": "false",
    "PREFECT_SERVER_LOGGING_LEVEL": "ERROR",
    "PREFECT__SERVER_EPHEMERAL": "1",  # without the services that look after schedules
}


def start_server() -> Callable[[], None]:
    """Start a server for this run, unless one is set; return a function that waits for it.

    That function raises StartFailed, with the server's last words, if it ends instead.
    """
    if home := os.environ.get("PREFECT_HOME"):  # Prefect makes the folder, but none above it
        Path(home).expanduser().mkdir(parents=True, exist_ok=True)
    from prefect.context import refresh_global_settings_context
    from prefect.settings import PREFECT_API_URL, get_current_settings

    if PREFECT_API_URL.value():
        return lambda: None
    settings = get_current_settings().to_environment_variables(exclude_unset=True)
    password = dict.fromkeys(PASSWORDS, f"run:{secrets.token_urlsafe(24)}")
    with socket.create_server((HOST, 0)) as listening:
        port = listening.getsockname()[1]
        log = tempfile.TemporaryFile()  # noqa: SIM115  read when the server fails
        server = subprocess.Popen(
            leash("flows.prefect_server", str(listening.fileno()), ending=signal.SIGKILL),
            env=os.environ | settings | _KIND | password,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            pass_fds=[listening.fileno()],
            start_new_session=True,
        )
    _brought.set()
    atexit.register(stop_server, server, _STOP_SECONDS)  # when all is sent to it
    os.environ |= {"PREFECT_API_URL": f"http://{HOST}:{port}/api"} | password
    refresh_global_settings_context()  # that other threads go by, too
    return partial(_wait, port, log)


def brought_server() -> bool:
    """Tell whether this process has started a server for itself alone: nobody looks at its page."""
    return _brought.is_set()


def _wait(port: int, log: IO[bytes]) -> None:
    """Wait for an answer: the socket listens from the beginning, and is closed with its server."""
    import httpx

    try:
        url = f"http://{HOST}:{port}/api/health"
        httpx.get(url, timeout=_READY_SECONDS, trust_env=False, verify=False)
    except httpx.HTTPError as error:
        log.seek(0)
        said = last_line(log.read().decode(errors="replace").partition(_GIVEN_UP)[0])
        raise StartFailed(f"the run's own Prefect server does not answer: {said}") from error
