"""Real servers for tests: two small versions, and `bentoml serve` processes that answer by them."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import polars as pl
from publishers import put_proof

from tasks.registry.ledger import append_entry
from tasks.registry.versions import get_version
from tasks.serving.bento_client import Caller
from tasks.storage.store import digest_file, open_store, work_folder

MODEL = "flight-delay"
TOKEN = "a-token-of-this-test"
CHUNKED = b"POST /predict HTTP/1.1\r\nhost: [::1]\r\ntransfer-encoding: chunked\r\n\r\n"

Question = dict[str, Any]


@dataclass(frozen=True)
class Versions:
    """A root with two published versions and the raw rows of the later one's snapshot."""

    root: Path
    first: str
    second: str
    rows: pl.DataFrame

    def folder(self, version: str) -> Path:
        return self.root / "models" / MODEL / version

    def release(self, version: str, root: Path | None = None) -> None:
        """Write what the ledger says after a release."""
        store = open_store(str(root or self.root))
        published = get_version(store, MODEL, version)
        said = {"version": version, "manifest": published.digest, "approver": "test"}
        append_entry(store, MODEL, action="approve", reason="test", **said)
        bento = put_proof(store, published)
        append_entry(store, MODEL, action="release", reason="test", bento=bento, **said)


@dataclass(frozen=True)
class Served:
    """A running server: its address, its process and what it wrote."""

    url: str
    process: subprocess.Popen[bytes]
    output: Path

    def client(self, **options: Any) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=30, trust_env=False, **options)

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def worker(self) -> int:
        """Name the process that answers; BentoML's own only watches over it."""
        found = subprocess.check_output(["pgrep", "-P", str(self.process.pid)], text=True)
        return int(found.split()[0])


def make_version(steps: Any, when: datetime | None, model: str = MODEL) -> str:
    plan = steps.plan_retrain(model, when)
    store = open_store(plan.root)
    with work_folder(store) as folder:
        steps.make_candidate(plan, store, folder)
    return str(plan.version)


@contextmanager
def serving(folder: Path, model: Path, **environment: str) -> Iterator[Served]:
    """Serve a version's folder on a free port of loopback, from a folder of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home = folder / "home"
    home.mkdir(parents=True)
    output = folder / "output.txt"
    settings = {"BENTOML_HOME": str(home), "PERENNIAL_MODEL": str(model), **environment}
    command = [str(Path(sys.executable).parent / "bentoml"), "serve", "bentos.service:service"]
    with output.open("wb") as file:
        process = subprocess.Popen(
            [*command, "--port", str(port)],
            cwd=folder,
            env={**os.environ, **settings},
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    served = Served(f"http://127.0.0.1:{port}", process, output)
    try:
        wait_for(lambda: is_ready(served), 60)
        yield served
    finally:
        stop(process)


def is_ready(served: Served) -> bool:
    assert served.process.poll() is None, served.output.read_text()
    try:
        return httpx.get(f"{served.url}/readyz", timeout=2, trust_env=False).is_success
    except httpx.TransportError:
        return False


def wait_for(happened: Callable[[], object], seconds: float = 10) -> None:
    until = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.05)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a server and the worker that it started."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(5)


def to_json(row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in row.items()
    }


def alter(model: Path, target: Path, serving: str) -> Path:
    """Copy a version's folder with another [serving] section, its manifest put right."""
    shutil.copytree(model, target)
    definition = target / "definition.toml"
    definition.write_text(f"{definition.read_text()}\n[serving]\n{serving}\n")
    manifest = json.loads((target / "MANIFEST.json").read_text())
    manifest["files"]["definition.toml"] = digest_file(definition)
    (target / "MANIFEST.json").write_text(json.dumps(manifest))
    return target


def counted(client: httpx.Client, name: str) -> float:
    """Read one counter from the metrics, 0 where it has not been counted yet."""
    lines = client.get("/metrics").text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(f"perennial_{name}"))


def serves(port: int) -> str:
    caller = Caller(port)
    try:
        version: str = json.loads(caller.ask("GET", "/model").body)["version"]
        return version
    finally:
        caller.close()
