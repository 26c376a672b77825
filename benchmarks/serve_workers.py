"""How much more two workers of the service answer than one, on a machine with two cores.

Run `python -m benchmarks.serve_workers [SECONDS] [ROUNDS]` on a quiet machine. Service and wrk
(from Debian) share both cores; in each round one worker and two take their turn, and the median
counts.
"""

import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.measure import describe_machine, say, write_record
from benchmarks.serve import ARROW, ROWS, Body, make_model, wait_until_answered
from tasks.processes.bento_server import find_port

LOADS = {"1,000 rows, JSON": 4, "1,000 rows, Arrow": 4, "one row": 64}  # connections
GOAL = 1.7  # times the requests of one worker, of 1,000 rows


def make_bodies(model: Path) -> dict[str, Body]:
    """Take rows of the version's snapshot, as a client would send them."""
    from bentos.model import load_folder

    columns = [column.name for column in load_folder(model).schema.columns]
    parts = sorted(model.parents[2].glob("snapshots/*/*.parquet"))
    rows = pl.read_parquet(parts[0]).select(columns).head(ROWS)
    arrow = BytesIO()
    rows.write_ipc_stream(arrow)
    listed = [json.loads(line) for line in rows.write_ndjson().splitlines()]
    bodies = json.dumps(listed).encode(), arrow.getvalue(), json.dumps(listed[0]).encode()
    kinds = "application/json", ARROW, "application/json"
    pairs = zip(LOADS, bodies, kinds, strict=True)
    return {name: Body("/predict", data, kind) for name, data, kind in pairs}


def ask_for(workers: int, model: Path, target: Path) -> Path:
    """Copy a version whose definition asks for so many workers, its manifest put right."""
    shutil.copytree(model, target)
    definition, manifest = target / "definition.toml", target / "MANIFEST.json"
    definition.write_text(definition.read_text() + f"\n[serving]\nworkers = {workers}\n")
    listed = json.loads(manifest.read_text())
    listed["files"][definition.name] = sha256(definition.read_bytes()).hexdigest()
    manifest.write_text(json.dumps(listed))
    return target


@contextmanager
def serving(model: Path, one: Body, workers: int, folder: Path) -> Iterator[str]:
    """Serve until all workers are there, and to the end of the block."""
    port, home = find_port(), folder / f"home-{model.name}"
    home.mkdir(exist_ok=True)
    given = {"PERENNIAL_MODEL": str(model), "PERENNIAL_ROOT": str(folder / "log")}
    command = [sys.executable, "-m", "bentoml", "serve", "bentos.service:service"]
    with (folder / "server.txt").open("w") as output:
        process = subprocess.Popen(
            [*command, "--port", str(port)],
            env=os.environ | given | {"BENTOML_HOME": str(home)},
            stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
    try:
        address = f"http://127.0.0.1:{port}"
        while Path(output.name).read_text().count("initialized") < workers:
            wait_until_answered(address, one, process, output.name)
        yield address
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(30)


def load(address: str, body: Body, connections: int, seconds: float, folder: Path) -> float:
    """Put load on from wherever there is room, and give requests per second."""
    data, script = folder / "body", folder / "post.lua"
    data.write_bytes(body.data)
    script.write_text(
        f'wrk.method = "POST"\nwrk.headers["content-type"] = "{body.kind}"\n'
        f'local file = io.open("{data}", "rb")\nwrk.body = file:read("*a")\nfile:close()\n'
    )
    time.sleep(0.5)  # for connections of the load before to be closed
    said = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "-s", str(script),
         address + body.path],
        check=True, stdout=subprocess.PIPE, text=True,
    ).stdout  # fmt: skip
    if "Non-2xx" in said or "Socket errors" in said:
        raise RuntimeError(said)
    (rate,) = re.findall(r"Requests/sec:\s+([\d.]+)", said)
    return float(rate)


def main(seconds: float = 5.0, rounds: int = 3) -> None:
    with tempfile.TemporaryDirectory(prefix="serve-workers-") as name:
        folder = Path(name)
        given = os.environ.get("PERENNIAL_MODEL")
        model = Path(given) if given else make_model(folder)
        bodies = make_bodies(model)
        models = {count: ask_for(count, model, folder / str(count)) for count in (1, 2)}
        taken: dict[int, dict[str, list[float]]] = {
            count: {load: [] for load in LOADS} for count in models
        }
        for number in range(rounds):
            for count, altered in models.items():
                with serving(altered, bodies["one row"], count, folder) as address:
                    for each, connections in LOADS.items():
                        load(address, bodies[each], connections, min(1.0, seconds), folder)
                        rate = load(address, bodies[each], connections, seconds, folder)
                        taken[count][each].append(rate)
                        say(f"round {number + 1}: workers {count}, {each}: {rate:,.0f}/s")
    found = {
        each: {str(count): statistics.median(taken[count][each]) for count in models}
        for each in LOADS
    }
    record = {"machine": describe_machine(), "seconds": seconds, "rounds": rounds}
    write_record("serve_workers", {**record, "tables": {"two cores": found}})
    print(write_table("two cores", found))


def write_table(title: str, found: dict[str, Any]) -> str:
    lines = [f"serve, {title}: requests/s of one worker and of two, wrk beside them"]
    for name, rates in found.items():
        ratio = rates["2"] / rates["1"]
        goal = f" (goal: {GOAL}x at least)" if "1,000" in name else ""
        lines.append(
            f"{name + ', ' + str(LOADS[name]) + ' connections':36}"
            f"{rates['1']:>9,.0f}{rates['2']:>9,.0f}   {ratio:.2f}x{goal}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main(*(float(sys.argv[1]), int(sys.argv[2])) if len(sys.argv) > 2 else ())
