"""The page over a root with two small candidates of one model, asked without a browser."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from judged import MODEL, NEW, OLD, put
from servers import wait_for

from flows.ui.app import make_app
from tasks.registry.ledger import append_entry
from tasks.registry.versions import Published
from tasks.storage.store import Store, open_store

PASSWORD = "ada:lovelace"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Work in an empty folder, so that there is no definition."""
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.setenv("PREFECT_API_URL", "")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("PERENNIAL_ROOT", str(tmp_path / "root"))
    return open_store()


@pytest.fixture
def candidates(store: Store) -> tuple[Published, Published]:
    return put(store, OLD), put(store, NEW)


@pytest.fixture
def crowned(store: Store, candidates: tuple[Published, Published]) -> Published:
    """Release the older one, by the ledger alone."""
    older, _ = candidates
    said: Any = {"version": OLD, "manifest": older.digest, "approver": "Ada <i>", "reason": "good"}
    for action in ("approve", "release"):
        append_entry(store, MODEL, action=action, **said)  # type: ignore[arg-type]
    return older


@pytest.fixture
def client(store: Store) -> Iterator[httpx.Client]:
    """Serve the page in a thread, and give a client that knows the password."""
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(make_app(store, PASSWORD), log_level="critical", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    wait_for(lambda: server.started)
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    with httpx.Client(
        base_url=url, auth=("ada", "lovelace"), timeout=60, trust_env=False
    ) as client:
        client.headers["origin"] = url
        yield client
    server.should_exit = True
    thread.join()
    listening.close()
