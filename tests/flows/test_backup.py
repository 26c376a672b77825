"""A root copied while its service logs lives on elsewhere: nothing in it says where it lay."""

import json
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest
from servers import wait_for

from tasks.maintenance.doctor import check_models
from tasks.maintenance.reproduce import reproduce_version
from tasks.monitoring.prediction_log import read_log
from tasks.processes.bento_server import find_port
from tasks.registry.versions import get_version, list_versions
from tasks.serving.bento_client import Caller, write_rows
from tasks.storage.store import open_store, work_folder

if TYPE_CHECKING:
    from conftest import Released

MODEL = "flight-delay"
JSON = "application/json"


@contextmanager
def served() -> Iterator[int]:
    """Serve the champion of PERENNIAL_ROOT as a person does, and give its port."""
    port = find_port()
    words = [sys.executable, "-m", "flows.cli", "serve", MODEL, "--port", str(port), "--json"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as server:
        try:
            assert server.stdout is not None
            assert json.loads(server.stdout.readline())["model"] == MODEL
            yield port
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(30)


def copy_root(root: Path, copy: Path) -> None:
    """Copy as the guide says: what was decided before what it was decided on."""
    for ledger in root.glob("models/*/ledger"):
        shutil.copytree(ledger, copy / ledger.relative_to(root))
    left_out = shutil.ignore_patterns("ledger", "tmp", "run", "prefect")
    shutil.copytree(root, copy, ignore=left_out, dirs_exist_ok=True)


def logged(root: str) -> int:
    return len(list(Path(root).glob(f"predictions/{MODEL}/*/*/*.parquet")))


def test_root_copied_while_its_service_logs_lives_on_elsewhere(
    released: "Released", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (snapshot, *_) = released.root.glob("snapshots/*/*.parquet")
    features = json.loads(
        (released.root / "models" / MODEL / released.older / "features.json").read_text()
    )
    body = write_rows(pl.read_parquet(snapshot).select(list(features["columns"])).head(50), JSON)
    stopped = threading.Event()

    def ask(port: int) -> None:
        with closing(Caller(port)) as caller:
            while not stopped.is_set():
                assert caller.post(body).status == 200

    with served() as port, closing(Caller(port)) as caller:
        before = caller.post(body).body
        asking = threading.Thread(target=ask, args=(port,))
        asking.start()
        try:
            wait_for(lambda: logged(str(released.root)) > 0, 60)
            copy_root(released.root, tmp_path / "copy")
        finally:
            stopped.set()
            asking.join()
    project = released.project.rename(tmp_path / "elsewhere")
    for old in (released.root, released.home):
        shutil.rmtree(old)  # whatever still leads there fails from here on
    (tmp_path / "copy").rename(tmp_path / "moved")
    monkeypatch.chdir(project)
    monkeypatch.setenv("PERENNIAL_ROOT", str(tmp_path / "moved"))
    store = open_store()
    assert [each.well for each in check_models(store)] == [True]
    assert list(list_versions(store, MODEL)) == [released.older, released.newer]
    with served() as port, closing(Caller(port)) as caller:
        assert json.loads(caller.post(body).body) == json.loads(before)
    now = datetime.now(UTC)
    with work_folder(store) as folder:
        log = read_log(store, MODEL, now - timedelta(days=2), now, folder)
        assert log.torn == {}
        assert sum(log.rows.values()) >= 50
        version = get_version(store, MODEL, released.older)
        assert reproduce_version(store, version, folder, project).reproduced
