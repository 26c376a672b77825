"""Prefect's server, where one is set: whether it listens and takes our password, before a run.

Owns how either is told. Refuses to ask for anything else: that is Prefect's own client's to do.
"""

import os
import socket
from base64 import b64encode
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from tasks.core.errors import DefinitionError, StartFailed, first_line, hide_password
from tasks.processes.settings import PASSWORD, PASSWORDS, running_folder, tell_password

_SECONDS = 1.0


def check_server() -> None:
    """Refuse an address where no server listens, or a password that it does not take.

    Raises StartFailed: within about a second where none listens, and two where it asks for another.
    """
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
    check_password(address)


def check_password(address: str) -> None:
    """Refuse a server that asks for another password than it would be given: StartFailed."""
    url, known = urlsplit(address), dict[str, str]()
    for known in list_known(url):
        if not asks_for_password(url, known):
            return
    what = "another" if "Authorization" in known else "a"
    shown = f"PREFECT_API_URL={hide_password(address)}"
    mend = f"export {tell_password(running_folder() / PASSWORD)}, where `make up` keeps it"
    raise StartFailed(f"{shown}: asks for {what} password; {mend}")


def list_known(url: SplitResult) -> Iterator[dict[str, str]]:
    """Give the headers by which Prefect would be known: the variables', then its profile's too."""
    if url.username is not None:  # what an address says comes first for it
        yield _known(f"{unquote(url.username)}:{unquote(url.password or '')}")
        return
    if given := os.environ.get(PASSWORDS[1]):
        yield _known(given)
    from prefect.settings import get_current_settings

    settings = get_current_settings()
    custom, words, key = settings.client.custom_headers, settings.api.auth_string, settings.api.key
    if words:
        yield custom | _known(words.get_secret_value())
    elif key:
        yield custom | {"Authorization": f"Bearer {key.get_secret_value()}"}
    else:
        yield custom


def _known(words: str) -> dict[str, str]:
    return {"Authorization": f"Basic {b64encode(words.encode()).decode()}"}


def asks_for_password(url: SplitResult, known: Mapping[str, str]) -> bool:
    """Tell whether a server answers 401; other trouble is told by what meets it later."""
    kind = HTTPSConnection if url.scheme == "https" else HTTPConnection
    connection = kind(url.hostname or "", url.port, timeout=_SECONDS)
    try:
        connection.request("GET", f"{url.path.rstrip('/')}/admin/version", headers=dict(known))
        return connection.getresponse().status == 401
    except (OSError, HTTPException, ValueError):
        return False
    finally:
        connection.close()


def find_address() -> str:
    """Tell which server is set; Prefect, which knows its profiles, is loaded only where needed."""
    given = os.environ.get("PREFECT_API_URL")
    if given is not None:
        return given
    from prefect.settings import PREFECT_API_URL

    return PREFECT_API_URL.value() or ""
