"""Check before a run that Prefect's server, where one is set, listens and takes our password.

Responsible for the messages where it does not. All other requests are made by Prefect's own client.
"""

import os
import socket
import ssl
from base64 import b64encode
from collections.abc import Iterator, Mapping
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from tasks.core.errors import DefinitionError, StartFailed, first_line, hide_password
from tasks.processes.settings import PASSWORD, PASSWORDS, running_folder, tell_password

_SECONDS = 1.0


def check_server() -> None:
    """Raise StartFailed where no server listens, or where it refuses our password.

    Takes a second at most where none listens, two with passwords. DefinitionError for no address.
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
        mend = "start it (perennial up), or unset PREFECT_API_URL for a server of each run's own"
        raise StartFailed(f"{shown}: no server answers there ({said}); {mend}") from error
    check_password(address)


def check_password(address: str) -> None:
    """Raise StartFailed for a server that refuses every password that it would be given."""
    url, known = urlsplit(address), dict[str, str]()
    for known in list_known(url):
        if not asks_for_password(url, known):
            return
    what = "another" if "Authorization" in known else "a"
    shown = f"PREFECT_API_URL={hide_password(address)}"
    mend = f"export {tell_password(running_folder() / PASSWORD)}, where `perennial up` keeps it"
    raise StartFailed(f"{shown}: asks for {what} password; {mend}")


def list_known(url: SplitResult) -> Iterator[dict[str, str]]:
    """Give the headers with which Prefect would log in: the variables', then its profile's."""
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
    """Tell whether a server answers 401; any other error is left to the run that meets it."""
    import httpx

    plain = url._replace(netloc=url.netloc.rpartition("@")[2], path=url.path.rstrip("/"))
    try:
        found = httpx.get(
            f"{plain.geturl()}/admin/version",
            headers=known,
            timeout=_SECONDS,
            verify=url.scheme == "https" and ssl.create_default_context(),
            trust_env=False,
        )
        return found.status_code == 401
    except (httpx.HTTPError, httpx.InvalidURL):
        return False


def find_address() -> str:
    """Give the address of the server that is set; Prefect is loaded only to read its profiles."""
    given = os.environ.get("PREFECT_API_URL")
    if given is not None:
        return given
    from prefect.settings import PREFECT_API_URL

    return PREFECT_API_URL.value() or ""
