"""Prefect's server over plain HTTP: its own client takes more memory than all of the page.

Responsible for where the server is, for its password, and for not waiting for one that is slow. Not
responsible for what is asked of it.
"""

import os
import time
from typing import Any

import httpx

from tasks.processes.settings import PASSWORDS

UNREACHED = (httpx.HTTPError, httpx.InvalidURL, KeyError, ValueError)
_SECONDS = 1.0  # a page waits for no server that is slow
START_SECONDS = 10.0  # what is to be started may take a busy one longer
_AGAIN_SECONDS = 0.5  # after it said that its database is locked
_MOST = 200  # the server gives no more at once


def open_client(seconds: float = _SECONDS) -> httpx.Client:
    """Open a client of the server that `PREFECT_API_URL` names; one of `UNREACHED` without it."""
    address = os.environ.get("PREFECT_API_URL", "")
    if not address:
        raise httpx.InvalidURL("no PREFECT_API_URL")
    given = os.environ.get(PASSWORDS[1])
    name, _, word = (given or "").partition(":")
    return httpx.Client(
        base_url=address,
        auth=(name, word) if given else None,
        timeout=seconds,
        trust_env=False,
        verify=address.startswith("https:"),
    )


def start(client: httpx.Client, path: str, asked: dict[str, Any]) -> None:
    """Ask for something once, by its `idempotency_key`; one of `UNREACHED` if it is not taken.

    A server whose database is locked says 503, and is asked again: the key keeps it one.
    """
    until = time.monotonic() + START_SECONDS
    while True:
        answer = client.post(path, json=asked, timeout=START_SECONDS)
        if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE or time.monotonic() > until:
            answer.raise_for_status()
            return
        time.sleep(_AGAIN_SECONDS)


def ask(client: httpx.Client, path: str, asked: dict[str, Any]) -> list[dict[str, Any]]:
    """Ask for a list by a filter; one of `UNREACHED` where the server does not give it."""
    answer = client.post(path, json={"limit": _MOST, **asked})
    answer.raise_for_status()
    found: list[dict[str, Any]] = answer.json()
    return found
