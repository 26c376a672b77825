"""How long it takes from an event to the retrain that it starts, on one machine.

Run `python -m benchmarks.operate`. It brings a system up as `perennial up` does, with every
service, on ports and a root of its own, and gives one model after another an event. Time runs from
the moment the event is sent to the start that Prefect notes for the run; the runs are small.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.measure import ROOT, describe_machine, write_record
from tasks.processes.bento_server import find_port

MODELS = tuple(f"model-{number}" for number in range(5))
GOAL = 5.0


def make_project(folder: Path) -> None:
    """Write a project with some models on January's flights, retrained by events only."""
    data = folder / "data/nycflights13"
    data.mkdir(parents=True)
    for name in ("flights-2013-01", "planes", "weather"):
        (data / f"{name}.parquet").write_bytes(
            (ROOT / f"data/nycflights13/{name}.parquet").read_bytes()
        )
    (folder / "deployments").mkdir()
    text = (ROOT / "deployments/flight_delay.toml").read_text().replace('"30d"', '"7d"')
    head, _, _ = text.partition("[schedule]")
    never = '[schedule]\nretrain = "never"\nmonitor = "never"\n'
    for model in MODELS:
        written = head.replace("flight-delay", model) + never
        (folder / f"deployments/{model}.toml").write_text(written)


def operate(command: str, folder: Path, variables: dict[str, str]) -> None:
    words = [sys.executable, "-P", "-m", "flows.process", command]
    subprocess.run(words, cwd=folder, env=variables, check=True, stdout=sys.stderr)


def time_event(model: str, api: str) -> float:
    """Send one event, and give the seconds until its run had begun."""
    from tasks.monitoring.events import emit

    sent = emit(model, "new-data", "measured", "one").occurred
    asked = {"deployments": {"name": {"any_": [model]}}}
    while not (runs := ask(f"{api}/flow_runs/filter", asked)) or not runs[0]["start_time"]:
        time.sleep(0.1)
    begun = datetime.fromisoformat(runs[0]["start_time"].replace("Z", "+00:00"))
    while ask(f"{api}/flow_runs/filter", asked)[0]["state_type"] != "COMPLETED":
        time.sleep(0.1)
    return (begun - sent).total_seconds()


def ask(url: str, body: dict[str, Any]) -> Any:
    request = urllib.request.Request(url, json.dumps(body).encode())
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def write_table(title: str, found: dict[str, Any]) -> str:
    return (
        f"from {title}: {found['median']:.1f} s in the median of {len(found['seconds'])}, "
        f"{max(found['seconds']):.1f} s at most (goal: {GOAL:.0f} s)"
    )


def main() -> str:
    ui = find_port()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_project(folder)
        api = f"http://127.0.0.1:{ui}/api"
        variables = os.environ | {
            "PERENNIAL_ROOT": str(folder / "root"),
            "PERENNIAL_UI_PORT": str(ui),
            "PERENNIAL_SERVE_PORT": "38000",
            "PREFECT_API_URL": api,
        }
        os.environ["PREFECT_API_URL"] = api
        operate("up", folder, variables)
        try:
            seconds = [round(time_event(model, api), 2) for model in MODELS]
        finally:
            operate("down", folder, variables)
    found = {"seconds": seconds, "median": statistics.median(seconds)}
    title = "an event to its retrain"
    write_record("operate", {**describe_machine(), "tables": {title: found}})
    text = write_table(title, found)
    print(text)
    return text


if __name__ == "__main__":
    main()
