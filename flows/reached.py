"""Prefect's server, where one is set: whether anything listens there, before a run begins.

Owns how its absence is told. Refuses to ask it anything: that is Prefect's own client's to do.
"""

import os
import socket
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from tasks.errors import DefinitionError, StartFailed, first_line, hide_password

_SECONDS = 1.0


def check_server() -> None:
    """Refuse an address where no server listens; StartFailed within about a second."""
    address = find_address()
    if not address:
        return
    shown = f"PREFECT_API_URL={hide_password(address)}"
    try:
        url = urlsplit(address)
        port = url.port or {"http": 80, "https": 443}[url.scheme]
        host = url.hostname or ""
    except (ValueError, KeyError):
        host = ""
    if not host:
        raise DefinitionError(f"{shown}: is no address; write http://HOST:PORT/api, or unset it")
    if url.scheme in getproxies() and not proxy_bypass(host):
        return  # only the proxy can tell
    try:
        socket.create_connection((host, port), timeout=_SECONDS).close()
    except OSError as error:
        said = error.strerror or first_line(error)
        mend = "start it (make up), or unset PREFECT_API_URL for a server of each run's own"
        raise StartFailed(f"{shown}: no server answers there ({said}); {mend}") from error


def find_address() -> str:
    """Tell which server is set; Prefect, which knows its profiles, is loaded only where needed."""
    given = os.environ.get("PREFECT_API_URL")
    if given is not None:
        return given
    from prefect.settings import PREFECT_API_URL

    return PREFECT_API_URL.value() or ""
