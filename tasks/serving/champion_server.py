"""The champion's server: its bento unpacked, and run until it is told to end.

Responsible for which bento is served where the newest is not whole, and for what a server is told.
Not responsible for following later releases, which the service itself does (`bentos/`).
"""

import json
import logging
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tasks.core.errors import BuildFailed, DecisionRefused, StoreError, first_line
from tasks.core.hosts import named_hosts
from tasks.processes.bento_server import (
    address_of,
    bento_environment,
    start_server,
    stop_server,
    wait_ready,
)
from tasks.registry.ledger import check_approved, list_crowned
from tasks.registry.signatures import SIGNERS, find_signers
from tasks.registry.trusted_ledger import read_trusted_ledger
from tasks.serving.bento_archive import unpack_bento
from tasks.storage.store import Store

log = logging.getLogger("perennial.serving")

_STDERR = 2


def unpack_champion(store: Store, model: str, home: Path) -> Path:
    """Unpack the champion's bento, or the last one before it that is whole."""
    ledger = read_trusted_ledger(store, model)
    entries = list_crowned(ledger)
    if not entries:
        raise DecisionRefused(f"{model}: has no champion to serve; approve a candidate first")
    for entry in reversed(entries):
        try:
            check_approved(ledger, entry)
            return unpack_bento(store, entry, model, home)
        except StoreError as error:
            log.warning("%s; trying the champion before it", first_line(error))
    raise StoreError(f"{model}: no released bento is whole in {store.root}; release again")


def serve_champion(
    store: Store,
    model: str,
    host: str,
    port: int,
    folder: Path,
    tell: Callable[[dict[str, Any]], None] | None = None,
) -> int:
    """Run the champion's bento until it ends; the service itself follows the ledger.

    `tell` hears once that it is ready, and where; then what the server says goes to standard error.
    """
    named_hosts()
    home = folder / "bentoml"
    bento = unpack_champion(store, model, home)
    given = {name: value for name, value in os.environ.items() if name.startswith("PERENNIAL_")}
    given |= {"PERENNIAL_FOLLOW": model, "PERENNIAL_ROOT": store.root}
    if signers := find_signers(model):
        given[SIGNERS] = str(signers)
    given.pop("PERENNIAL_MODEL", None)
    said = _STDERR if tell else None
    server = start_server(bento, host, port, bento_environment(home, **given), said)
    # Polars takes SIGINT over, so that what waits goes on waiting: Ctrl-C would not be heard.
    signal.siginterrupt(signal.SIGINT, True)
    try:
        if tell:
            _tell_ready(server, bento, host, port, tell)
        return server.wait()
    finally:
        stop_server(server)


def _tell_ready(
    server: subprocess.Popen[bytes],
    bento: Path,
    host: str,
    port: int,
    tell: Callable[[dict[str, Any]], None],
) -> None:
    if not wait_ready(server, host, port):
        raise BuildFailed("the service ended before it was ready; standard error says why")
    lineage = json.loads((bento / "src" / "model" / "lineage.json").read_text(encoding="utf-8"))
    here = {"model": lineage["model"], "version": lineage["version"]}
    tell({**here, "address": address_of(host, port), "pid": os.getpid()})
