"""What a request costs by the rows that it carries, beside other servers that do the same work.

Run `python -m benchmarks.batches [ROWS...]` on a machine with two cores: the server is pinned to
one. One client asks again and again, a request at a time; the median counts, and the memory is the
peak of all of the server's processes. All take rows as JSON (MLflow: split), ours as Arrow too.
How many requests a second of one row each they answer is measured by `serve`.
"""

import http.client
import json
import os
import statistics
import sys
import time
import urllib.parse
from pathlib import Path

import polars as pl

from benchmarks.measure import Measurement, install_peers, read_versions
from benchmarks.serve import (
    ARROW,
    LOCK,
    PEERS,
    Body,
    Peer,
    find_prediction,
    list_peers,
    make_model,
    running,
)
from benchmarks.study import Goal, Study

SECONDS, LEAST = 2.0, 5
ASKED = {  # which of the servers, and in which form
    "perennial": ("perennial", "JSON rows"),
    "perennial, Arrow": ("perennial", "Arrow"),
    "compiled, Arrow": ("perennial compiled", "Arrow"),
    "fastapi tuned": ("fastapi tuned", "JSON rows"),
    "fastapi": ("fastapi", "JSON rows"),
    "bentoml": ("bentoml", "JSON rows"),
    "mlflow": ("mlflow", "JSON split"),
}


def compare(rows: int, folder: Path) -> dict[str, Measurement]:
    """Ask each server for so many rows at once; all answer the same."""
    shared, python = folder.parent, install_peers(LOCK, PEERS)
    model = next((shared / "root/models/flight-delay").glob("20*"), None) or make_model(shared)
    peers = {peer.name: peer for peer in list_peers(model, folder, python, rows)}
    found, answers = {}, set()
    for who in STUDY.those_at(rows):
        name, form = ASKED[who]
        found[who], answer = ask_again(peers[name], peers[name].many[form], model, folder)
        answers.add(answer)
    if len(answers) > 1:
        raise RuntimeError(f"the servers do not answer the same: {answers}")
    return found


def ask_again(peer: Peer, body: Body, model: Path, folder: Path) -> tuple[Measurement, float]:
    """Start a server, and give the median time of its answers and the first prediction."""
    with running(peer, model, folder) as server:
        connection = http.client.HTTPConnection(urllib.parse.urlsplit(server.address).netloc)
        answer = _ask(connection, body)
        started, before = _peak_mb(server.pid), time.perf_counter()
        seconds = []
        while len(seconds) < LEAST or time.perf_counter() - before < SECONDS:
            begun = time.perf_counter()
            _ask(connection, body)
            seconds.append(time.perf_counter() - begun)
        connection.close()
        measured = Measurement(statistics.median(seconds), _peak_mb(server.pid), started)
    return measured, _first_prediction(answer, body)


def _ask(connection: http.client.HTTPConnection, body: Body) -> bytes:
    connection.request("POST", body.path, body.data, {"content-type": body.kind})
    answer = connection.getresponse()
    data = answer.read()
    if answer.status != 200:
        raise RuntimeError(data[:2_000].decode(errors="replace"))
    return data


def _first_prediction(answer: bytes, body: Body) -> float:
    if body.kind == ARROW:
        return float(pl.read_ipc_stream(answer)["prediction"][0])
    return float(find_prediction(json.loads(answer)))


def _peak_mb(session: int) -> float:
    """Add up the peaks of a session's processes."""
    peaks = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and os.getsid(int(entry.name)) == session:
                status = (entry / "status").read_text()
                peaks.append(int(status.partition("VmHWM:")[2].split()[0]) / 1024)
        except (OSError, IndexError):
            continue  # it has ended
    return sum(peaks)


def list_versions() -> dict[str, str]:
    peers = read_versions("bentoml", "fastapi", "mlflow", "polars", "lightgbm", lock=LOCK)
    return peers | read_versions("llvmlite")


STUDY = Study(
    name="batches",
    title="The time of one request by the rows that it carries, the server on one core, beside "
    "FastAPI, BentoML and MLflow.",
    compare=compare,
    versions=list_versions,
    ours=("perennial", "perennial, Arrow", "compiled, Arrow"),
    peers=("fastapi tuned", "fastapi", "bentoml", "mlflow"),
    goals=(
        *(Goal("perennial, Arrow", peer, 1 / 2.5, rows=1_000) for peer in ("fastapi", "mlflow")),
        *(Goal("compiled, Arrow", peer, 1 / 5, rows=1_000) for peer in ("fastapi", "mlflow")),
    ),
    sizes=(1, 10, 100, 1_000, 10_000),
    unit="rows a request",
)

if __name__ == "__main__":
    STUDY.run(sys.argv[1:])
