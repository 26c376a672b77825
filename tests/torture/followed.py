"""A server that follows releases, as a person starts it, asked all the time by one caller.

Every answer is kept with the version that it names; afterwards each is held against what that
version's own model predicts. No request may fail, and no version may answer that was not released.
"""

import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import polars as pl
import psutil

from flows.score import load_scorer
from tasks.processes.bento_server import find_port, is_ready
from tasks.registry.ledger import read_ledger
from tasks.registry.snapshots import fetch_snapshot
from tasks.registry.versions import find, find_champion, get_version, read_json
from tasks.serving.bento_client import JSON, Caller, write_rows
from tasks.storage.store import Store
from tasks.training.published_model import load

_PAUSE_SECONDS = 0.02
_READY_SECONDS, _FOLLOW_SECONDS = 90.0, 60.0  # it looks again half a minute after a failure
_ROWS = 16


class Followed:
    """The caller, and what it was answered."""

    def __init__(self, store: Store, model: str, port: int, pid: int, folder: Path) -> None:
        self.store, self.model, self.pid = store, model, pid
        self.rows = _read_rows(store, model, folder)
        self.answered: Counter[tuple[str, tuple[float, ...]]] = Counter()
        self.order: list[str] = []
        self.failed: list[str] = []
        self._port, self._stopping = port, threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)

    def __str__(self) -> str:
        return f"{self.answered.total():,} requests answered, none wrong, none dropped"

    def processes(self) -> set[int]:
        """Name the server's processes."""
        server = psutil.Process(self.pid)
        return {self.pid, *(each.pid for each in server.children(recursive=True))}

    def wait_for(self, version: str) -> None:
        """Wait till the server has taken up a version."""
        deadline = time.monotonic() + _FOLLOW_SECONDS
        while not self.order or self.order[-1] != version:
            assert time.monotonic() < deadline, f"{self.order[-1:]} answers, not {version}"
            assert not self.failed, self.failed[0]
            time.sleep(0.05)

    def check(self) -> None:
        """Hold every answer so far against the model of the version that it names."""
        assert not self.failed, self.failed[0]
        ledger = read_ledger(self.store, self.model)
        crowned = [entry.version for entry in ledger if entry.action in ("release", "rollback")]
        left = iter(crowned)  # those that were champion for less than a look are not taken up
        assert all(each in left for each in self.order), f"{self.order} answered, not {crowned}"
        for version, predictions in self.answered:
            expected = self._predict(version)
            assert np.array_equal(predictions, expected), f"{version} answers wrongly"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def _ask(self) -> None:
        body = write_rows(self.rows, JSON)
        with closing(Caller(self._port)) as caller:
            while not self._stopping.wait(_PAUSE_SECONDS):
                try:
                    answer = caller.post(body)
                except Exception as error:
                    self.failed.append(repr(error))
                    return
                if answer.status != 200:
                    self.failed.append(str(answer))
                    continue
                said = json.loads(answer.body)
                if self.order[-1:] != [said["version"]]:
                    self.order.append(said["version"])
                self.answered[said["version"], tuple(said["predictions"])] += 1

    def _predict(self, version: str) -> np.ndarray:
        return load(self.store, get_version(self.store, self.model, version)).predict(self.rows)


@contextmanager
def following(
    store: Store, model: str, environment: Mapping[str, str], folder: Path
) -> Iterator[Followed]:
    """Serve the champion on a free port, and ask it until the end."""
    port, log = find_port(), folder / "serve.log"
    words = [sys.executable, "-m", "flows.cli", "serve", model, "--port", str(port)]
    with log.open("wb") as output:
        server = subprocess.Popen(words, env=dict(environment), stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + _READY_SECONDS
        while not is_ready(port):
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        followed = Followed(store, model, port, server.pid, folder)
        followed.start()
        try:
            yield followed
        finally:
            followed.stop()
    finally:
        server.terminate()
        server.wait(30)


def _read_rows(store: Store, model: str, folder: Path) -> pl.DataFrame:
    """Take some raw rows of the champion's snapshot."""
    champion = find_champion(store, model)
    assert champion is not None
    snapshot = find(store, f"snapshots/{read_json(store, champion, 'lineage.json')['snapshot']}")
    assert snapshot is not None
    parts = fetch_snapshot(store, snapshot, folder / "rows")
    columns = list(load_scorer(store, champion).types)
    return pl.read_parquet(parts[0]).select(columns).head(_ROWS)
