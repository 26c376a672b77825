"""The page over a root with two small candidates of one model, asked without a browser."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from judged import MODEL, NEW, OLD, put
from pages import PASSWORD, serving_page

from tasks.registry.ledger import append_entry
from tasks.registry.versions import Published
from tasks.storage.store import Store, open_store


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
    """Give a client of the page that knows the password."""
    with serving_page(store) as place:
        url, auth = f"http://{place}", (*PASSWORD.split(":"),)
        with httpx.Client(base_url=url, auth=auth, timeout=60, trust_env=False) as client:
            client.headers["origin"] = url
            yield client
