"""How fast the service answers, beside other servers that do the same work, in one run.

Run `python -m benchmarks.serve [SECONDS] [ROUNDS]` on a quiet machine with two cores: the server
is pinned to one, wrk (from Debian) to the other. In each round every server takes its turn; the
median round counts. Each peer's first answer must be the service's own, to the last digit.
"""

import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from benchmarks.measure import ROOT, describe_machine, install_peers, write_record

LOCK, PEERS = ROOT / "benchmarks/serve_peers.lock", ROOT / ".venv-serve-peers"
CONNECTIONS = (1, 16, 64)
ROWS = 1_000
ARROW = "application/vnd.apache.arrow.stream"
# Requests per second of the service as a multiple of the peer's, at 16 and 64 connections.
GOALS = {
    "asgi by hand": (1.0, 1.0),
    "fastapi by hand": (2.5, 2.5),
    "fastapi tuned": (3.5, 6.0),
    "fastapi": (4.0, 7.0),
    "mlflow": (8.0, 12.0),
    "bentoml": (8.0, 12.0),
    "echo": (0.25, 0.4),
    "without log": (0.92, 0.92),
}
BATCH_GOALS = {"fastapi": 2.5, "mlflow": 2.5}
COMPILED_GOALS = {"fastapi": 5.0, "mlflow": 5.0}
BY_HAND = ("asgi by hand", "fastapi by hand")
OURS, COMPILED = "perennial", "perennial compiled"
_BATCH_SECONDS = 4.0  # a slow peer must finish some


@dataclass(frozen=True)
class Body:
    path: str
    data: bytes
    kind: str = "application/json"


@dataclass(frozen=True)
class Peer:
    """A server to start: its command (`PORT` is put in), and how it is asked."""

    name: str
    command: list[str]
    one: Body
    many: dict[str, Body] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)


def make_model(folder: Path) -> Path:
    """Train the default model as a user would, and give its version's folder."""
    environment = os.environ | {"PERENNIAL_ROOT": str(folder / "root")}
    command = [sys.executable, "-m", "flows.cli", "retrain", "flight-delay", "--json"]
    made = subprocess.run(
        [*command, "--as-of", "2013-10-01"],
        cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    return folder / "root/models/flight-delay" / str(json.loads(made.stdout)["version"])


def list_peers(model: Path, folder: Path, python: str, count: int = ROWS) -> list[Peer]:
    """Describe every server, and the bodies that it takes: of one row, and of so many."""
    code = (
        "import json; from benchmarks.serve_peers import example; "
        f"print(json.dumps(example({count})))"
    )
    rows = json.loads(peer_python(python, model, code))
    one, many = json.dumps(rows[0]).encode(), json.dumps(rows).encode()
    peer_python(
        python, model,
        f"from benchmarks.serve_peers import save_mlflow; save_mlflow({str(folder / 'mlflow')!r})",
    )  # fmt: skip
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    split = {"columns": list(columns), "data": [list(row.values()) for row in rows]}
    ours = {
        "JSON rows": Body("/predict", many),
        "JSON columns": Body("/predict", json.dumps({"columns": columns}).encode()),
        "Arrow": Body("/predict", write_arrow(model, rows), ARROW),
    }
    bentoml = ["-m", "bentoml", "serve"]
    uvicorn = ["-m", "uvicorn", "--port", "PORT", "--log-level", "error", "--no-access-log"]
    peers = "benchmarks.serve_peers"
    logged = {"PERENNIAL_ROOT": str(folder / "log"), "BENTOML_HOME": str(folder / "home")}
    unlogged = {"BENTOML_HOME": str(folder / "home2")}
    serve = [sys.executable, *bentoml, "bentos.service:service", "--port", "PORT"]
    hand = [sys.executable, *uvicorn, "--factory", "benchmarks.serve_by_hand:"]
    mlflow = ["-m", "mlflow", "models", "serve", "-m", str(folder / "mlflow"), "--env-manager"]
    plain = [python, *bentoml, f"{peers}_bento:service", "--host", "127.0.0.1", "--port", "PORT"]
    split_body = Body("/invocations", json.dumps({"dataframe_split": split}).encode())
    record = Body("/invocations", json.dumps({"dataframe_records": [rows[0]]}).encode())
    return [
        Peer(OURS, serve, Body("/predict", one), ours, logged),
        Peer(COMPILED, serve, Body("/predict", one), ours,
             {"PERENNIAL_ROOT": str(folder / "log2"), "BENTOML_HOME": str(folder / "home4"),
              "PERENNIAL_MODEL": str(ask_for_compiled(model, folder / "compiled"))}),
        Peer("without log", serve, Body("/predict", one), {}, unlogged),
        *(Peer(name, [*hand[:-1], hand[-1] + name.replace(" by ", "_")], Body("/predict", one))
          for name in BY_HAND),
        Peer("echo", [sys.executable, *uvicorn, "--lifespan", "off", "benchmarks.serve_echo:echo"],
             Body("/", one)),
        Peer("fastapi tuned", [python, *uvicorn, "--factory", f"{peers}:fastapi_tuned"],
             Body("/predict", one), {"JSON rows": Body("/rows", many)}),
        Peer("fastapi", [python, *uvicorn, "--factory", f"{peers}:fastapi_plain"],
             Body("/predict", one), {"JSON rows": Body("/rows", many)}),
        Peer("bentoml", plain, Body("/predict", b'{"row": ' + one + b"}"),
             {"JSON rows": Body("/predict_rows", b'{"rows": ' + many + b"}")},
             {"BENTOML_HOME": str(folder / "home3")}),
        Peer("mlflow", [python, *mlflow, "local", "--host", "127.0.0.1", "--port", "PORT"], record,
             {"JSON split": split_body}),
    ]  # fmt: skip


def ask_for_compiled(model: Path, target: Path) -> Path:
    """Copy a version whose definition asks for the compiled predictor, its manifest put right."""
    shutil.copytree(model, target)
    definition, manifest = target / "definition.toml", target / "MANIFEST.json"
    definition.write_text(definition.read_text() + '\n[serving]\npredictor = "compiled"\n')
    listed = json.loads(manifest.read_text())
    listed["files"][definition.name] = sha256(definition.read_bytes()).hexdigest()
    manifest.write_text(json.dumps(listed))
    return target


def peer_python(python: str, model: Path, code: str) -> str:
    environment = peer_environment() | {"PERENNIAL_MODEL": str(model)}
    return subprocess.run(
        [python, "-W", "ignore", "-c", code],
        cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True,
    ).stdout  # fmt: skip


def peer_environment() -> dict[str, str]:
    quiet = {"BENTOML_DO_NOT_TRACK": "true", "MLFLOW_DISABLE_TELEMETRY": "true"}
    path = f"{PEERS / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return os.environ | quiet | {"PYTHONPATH": str(ROOT), "DO_NOT_TRACK": "1", "PATH": path}


def write_arrow(model: Path, rows: list[dict[str, Any]]) -> bytes:
    from io import BytesIO

    from bentos.column_values import frame_rows
    from bentos.model import load_folder

    schema = load_folder(model).schema
    given = [schema.decode_row(json.dumps(row).encode()) for row in rows]
    buffer = BytesIO()
    frame_rows(schema.columns, given).write_ipc_stream(buffer)
    return buffer.getvalue()


@dataclass(frozen=True)
class Server:
    """A server that runs: its address, and the process that leads its session."""

    address: str
    pid: int


@contextmanager
def running(peer: Peer, model: Path, folder: Path) -> Iterator[Server]:
    """Run a server on the first core until its work is done."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [part.replace("PORT", str(port)) for part in peer.command]
    base = peer_environment() if command[0] != sys.executable else dict(os.environ)
    environment = base | {"PERENNIAL_MODEL": str(model), **peer.environment}
    Path(environment.get("BENTOML_HOME", folder)).mkdir(exist_ok=True)
    with (folder / f"{peer.name}.txt").open("w") as output:
        process = subprocess.Popen(
            ["taskset", "-c", "0", *command],
            cwd=ROOT, env=environment, stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
        try:
            address = f"http://127.0.0.1:{port}"
            wait_until_answered(address, peer.one, process, output.name)
            yield Server(address, process.pid)
        finally:
            os.killpg(process.pid, signal.SIGINT)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


def ask(address: str, body: Body) -> bytes:
    request = urllib.request.Request(
        address + body.path, body.data, {"content-type": body.kind}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        data: bytes = answer.read()
    return data


def wait_until_answered(
    address: str, body: Body, process: subprocess.Popen[bytes], output: str
) -> None:
    until = time.monotonic() + 120
    while True:
        try:
            ask(address, body)
            return
        except (urllib.error.URLError, OSError) as error:
            if time.monotonic() > until or process.poll() is not None:
                raise RuntimeError(Path(output).read_text()[-2_000:]) from error
            time.sleep(0.1)


def load(
    address: str, body: Body, connections: int, seconds: float, folder: Path
) -> dict[str, float]:
    """Put load on from the second core: requests per second, and milliseconds at p50 and p99."""
    data, script = folder / "body", folder / "post.lua"
    data.write_bytes(body.data)
    script.write_text(
        f'wrk.method = "POST"\nwrk.headers["content-type"] = "{body.kind}"\n'
        f'local file = io.open("{data}", "rb")\nwrk.body = file:read("*a")\nfile:close()\n'
    )
    said = subprocess.run(
        ["taskset", "-c", "1", "wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "--latency",
         "-s", str(script), address + body.path],
        check=True, stdout=subprocess.PIPE, text=True,
    ).stdout  # fmt: skip
    if "Non-2xx" in said or "Socket errors" in said:
        raise RuntimeError(said)
    scale = {"us": 0.001, "ms": 1.0, "s": 1000.0}
    times = dict(re.findall(r"(50|99)%\s+([\d.]+\w+)", said))
    milliseconds = {}
    for share, text in times.items():
        number, unit = re.fullmatch(r"([\d.]+)(\w+)", text).groups()  # type: ignore[union-attr]
        milliseconds[f"p{share}_ms"] = float(number) * scale[unit]
    (rate,) = re.findall(r"Requests/sec:\s+([\d.]+)", said)
    return {"per_second": float(rate), **milliseconds}


def measure_peer(peer: Peer, model: Path, seconds: float, folder: Path) -> dict[str, Any]:
    with running(peer, model, folder) as server:
        address = server.address
        answer = json.loads(ask(address, peer.one))
        load(address, peer.one, 16, min(1.0, seconds), folder)
        measured: dict[str, Any] = {
            str(count): load(address, peer.one, count, seconds, folder) for count in CONNECTIONS
        }
        for name, body in peer.many.items():
            measured[f"{ROWS} rows, {name}"] = load(
                address, body, 4, max(seconds, _BATCH_SECONDS), folder
            )
    return {"answer": find_prediction(answer), **measured}


def find_prediction(answer: Any) -> Any:
    found = answer.get("predictions", answer.get("prediction"))
    return found[0] if isinstance(found, list) else found


def take_median(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """Take, for each load, the round with the median rate."""
    return {
        key: sorted((each[key] for each in rounds), key=lambda one: one["per_second"])[
            len(rounds) // 2
        ]
        for key in rounds[0]
        if key != "answer"
    }


def judge(results: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Set the service against each goal."""
    ours, verdicts = results[OURS], {}
    for name, goals in GOALS.items():
        for count, goal in zip(("16", "64"), goals, strict=True):
            ratio = ours[count]["per_second"] / results[name][count]["per_second"]
            verdicts[f"{name}, {count} connections"] = verdict(ratio, goal)
    for own, batch_goals in ((OURS, BATCH_GOALS), (COMPILED, COMPILED_GOALS)):
        best = max(rate_many(results[own]))
        for name, goal in batch_goals.items():
            ratio = best / statistics.median(rate_many(results[name]))
            verdicts[f"{name}, {ROWS} rows, {own}"] = verdict(ratio, goal)
    for count in ("16", "64"):
        least = min(results[name][count]["p99_ms"] for name in BY_HAND)
        goal = f"p99 at {count} connections below both by hand, ms"
        verdicts[goal] = verdict(ours[count]["p99_ms"], least, most=True)
    tuned = results["fastapi tuned"]["1"]["p50_ms"]
    verdicts["p50 at 1 connection, ms"] = verdict(ours["1"]["p50_ms"], tuned, most=True)
    return verdicts


def rate_many(result: dict[str, Any]) -> list[float]:
    return [each["per_second"] for key, each in result.items() if "rows" in key]


def verdict(value: float, goal: float, most: bool = False) -> dict[str, Any]:
    reached = value <= goal if most else value >= goal
    return {"value": round(value, 3), "goal": goal, "reached": reached}


def main(seconds: float = 5.0, rounds: int = 3) -> None:
    python = install_peers(LOCK, PEERS)
    with tempfile.TemporaryDirectory(prefix="serve-") as name:
        folder = Path(name)
        given = os.environ.get("PERENNIAL_MODEL")
        model = Path(given) if given else make_model(folder)
        peers = list_peers(model, folder, python)
        taken: dict[str, list[dict[str, Any]]] = {peer.name: [] for peer in peers}
        for number in range(rounds):
            for peer in peers:
                taken[peer.name].append(measure_peer(peer, model, seconds, folder))
                rate = taken[peer.name][-1]["16"]["per_second"]
                print(f"round {number + 1}: {peer.name} {rate:,.0f}/s", file=sys.stderr)
    answers = {name: each[0]["answer"] for name, each in taken.items() if name != "echo"}
    if len(set(answers.values())) > 1:
        raise RuntimeError(f"the servers do not answer the same: {answers}")
    results = {name: take_median(each) for name, each in taken.items()}
    found = {"servers": results, "goals": judge(results)}
    record = {"machine": describe_machine(), "seconds": seconds, "rounds": rounds}
    write_record("serve", {**record, "tables": {"one core": found}})
    print(write_table("one core", found))


def write_table(title: str, found: dict[str, Any]) -> str:
    lines = [f"serve, {title}: requests/s, one row each, and milliseconds"]
    heads = "".join(f"{count:>9} conn." for count in CONNECTIONS)
    lines.append(f"{'':20}{heads}   p99 at 16 and at 64")
    for name, loads in found["servers"].items():
        rates = "".join(f"{loads[str(count)]['per_second']:>15,.0f}" for count in CONNECTIONS)
        late = "".join(f"{loads[count]['p99_ms']:>10.2f}" for count in ("16", "64"))
        lines.append(f"{name:20}{rates}  {late}")
    lines.append(f"{ROWS:,} rows each, requests/s")
    for name, loads in found["servers"].items():
        batches = [key for key in loads if "rows" in key]
        many = ", ".join(
            f"{key.partition(', ')[2]} {loads[key]['per_second']:.0f}" for key in batches
        )
        if many:
            lines.append(f"{name:20}{many}")
    for goal, each in found["goals"].items():
        mark = "reached" if each["reached"] else "MISSED "
        lines.append(f"{mark} {goal}: {each['value']} (goal {each['goal']})")
    return "\n".join(lines)


if __name__ == "__main__":
    main(*(float(sys.argv[1]), int(sys.argv[2])) if len(sys.argv) > 2 else ())
