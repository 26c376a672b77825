"""The champion's server: the last whole bento is served, and a program hears when it is ready."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from servers import wait_for

from tasks.core.errors import DecisionRefused, StoreError
from tasks.processes.bento_server import find_port, is_ready
from tasks.registry.ledger import append_entry, read_ledger
from tasks.registry.versions import Published
from tasks.serving.bento_archive import bento_tag
from tasks.serving.champion_server import unpack_champion
from tasks.storage.store import Store, open_store

if TYPE_CHECKING:
    from conftest import Released

MODEL = "flight-delay"


def test_broken_champion_leaves_the_one_before_to_serve(
    released: "Released", store: Store, newer: Published, tmp_path: Path
) -> None:
    champion = read_ledger(store, MODEL)[-1]
    home = tmp_path / "home"
    kept = {"version": released.newer, "manifest": newer.digest, "approver": "Ada"}
    append_entry(store, MODEL, action="approve", reason="", **kept)
    append_entry(store, MODEL, action="release", reason="", bento="gone", **kept)
    bento = unpack_champion(store, MODEL, home)
    assert bento.name == bento_tag(MODEL, champion.version).partition(":")[2]


def test_bento_changed_in_the_registry_is_not_served(
    released: "Released", store: Store, tmp_path: Path
) -> None:
    (archive,) = (released.root / "bentos" / MODEL / released.older).glob("*.bento")
    archive.write_bytes(archive.read_bytes()[:-1])
    with pytest.raises(StoreError, match="no released bento is whole"):
        unpack_champion(store, MODEL, tmp_path / "home")


def test_model_without_a_champion_is_not_served(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "root"))
    with pytest.raises(DecisionRefused, match="m: has no champion to serve; approve a candidate"):
        unpack_champion(store, "m", tmp_path / "home")


def test_one_line_of_json_says_that_it_is_ready_and_where(released: "Released") -> None:
    port = find_port()
    words = [sys.executable, "-m", "flows.cli", "serve", MODEL, "--port", str(port), "--json"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as server:
        assert server.stdout is not None
        said = json.loads(server.stdout.readline())
        assert is_ready(port)
        assert said == {
            "model": MODEL,
            "version": released.older,
            "address": f"http://127.0.0.1:{port}",
            "pid": server.pid,
        }
        server.send_signal(signal.SIGTERM)
        assert server.stdout.read() == b""
        server.wait(30)


def test_server_that_ends_before_it_is_ready_is_told(released: "Released") -> None:
    words = [sys.executable, "-m", "flows.cli", "serve", MODEL, "--port", str(find_port())]
    with subprocess.Popen(
        [*words, "--json"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as command:
        wait_for(lambda: bool(psutil.Process(command.pid).children()), 60)
        for child in psutil.Process(command.pid).children():
            child.kill()
        said, _ = command.communicate(timeout=60)
    assert command.returncode == 1
    assert "before it was ready" in json.loads(said)["error"]
