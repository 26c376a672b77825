"""A whole system for tests: server, worker and services, as `make up` starts them."""

import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

REPOSITORY = Path(__file__).parents[2]
MODEL = "flight-delay"


class System:
    """A project of its own with five models, of which one is retrained each minute."""

    others = ("clocked", "drifting", "losing", "slow")

    def __init__(self, project: Path, root: Path, home: Path, alerts: str) -> None:
        self.project, self.root = project, root
        self.ui_port = find_ports(3 + len(self.others))
        self.serve_port = self.ui_port + 1
        self.api = f"http://127.0.0.1:{self.ui_port}/api"
        self.variables = os.environ | {
            "PERENNIAL_ROOT": str(root),
            "PERENNIAL_UI_PORT": str(self.ui_port),
            "PERENNIAL_SERVE_PORT": str(self.serve_port),
            "PERENNIAL_PAGE_PORT": str(self.serve_port + 1 + len(self.others)),
            "PERENNIAL_ALERTS_URL": alerts,
            "PREFECT_API_URL": self.api,
            "BENTOML_HOME": str(home),
        }
        self.client = httpx.Client(
            base_url=self.api, timeout=30, transport=Patient(), trust_env=False
        )
        write_project(project, self.others)

    def operate(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.run("flows.process", *words)

    def run(self, module: str, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-P", "-m", module, *words],
            cwd=self.project,
            env=self.variables,
            capture_output=True,
            text=True,
        )

    def log_in(self) -> None:
        """Take the password that the system made when it came up, as a person exports it."""
        (kept,) = self.project.glob("**/run/password")
        self.password = kept.read_text()
        self.variables["PREFECT_API_AUTH_STRING"] = self.password
        self.client.auth = (*self.password.split(":"),)

    @contextmanager
    def meant(self) -> Iterator[None]:
        """Let Prefect's clients in this process ask this system's server."""
        settings = {PREFECT_API_URL: self.api, PREFECT_API_AUTH_STRING: self.password}
        with temporary_settings(settings):
            yield

    def emit(self, model: str, kind: str, key: str) -> None:
        from tasks.monitoring.events import emit

        with self.meant():
            emit(model, kind, "said by a test", key)

    def runs(self, name: str) -> list[dict[str, Any]]:
        """Read a deployment's runs that are due or done, the first one first."""
        flow, deployment = name.split("/")
        asked = {
            "flows": {"name": {"any_": [flow]}},
            "deployments": {"name": {"any_": [deployment]}},
            "sort": "EXPECTED_START_TIME_ASC",
        }
        found = self.client.post("/flow_runs/filter", json=asked).json()
        return [run for run in found if run["state_name"] != "Scheduled"]

    def wait_for_run(self, name: str, state: str = "COMPLETED", place: int = 0) -> dict[str, Any]:
        def find() -> dict[str, Any] | None:
            found = self.runs(name)[place:]
            return found[0] if found and found[0]["state_type"] == state else None

        return wait_for(find, tell=self.describe_runs)

    def describe_runs(self) -> str:
        """Tell what became of each run, and what the worker said last: why a wait was in vain."""
        runs = self.client.post("/flow_runs/filter", json={"sort": "START_TIME_ASC"}).json()
        said = [f"{each['parameters']} {each['state']}" for each in runs]
        (log,) = self.project.glob("**/run/worker.log")
        return "\n".join([*said, *log.read_text().splitlines()[-40:]])

    def times(self, name: str) -> list[tuple[str, str]]:
        """Read when the server starts a deployment by itself."""
        schedules = self.client.get(f"/deployments/name/{name}").json()["schedules"]
        found = [each["schedule"] for each in schedules if each["active"]]
        return [(each["cron"], each["timezone"]) for each in found]

    def start_run(self, name: str, **parameters: Any) -> httpx.Response:
        """Ask for a run; the answer says whether there is one."""
        deployment = self.client.get(f"/deployments/name/{name}").json()["id"]
        path = f"/deployments/{deployment}/create_flow_run"
        return self.client.post(path, json={"parameters": parameters})

    def processes(self) -> list[psutil.Process]:
        """List the living processes that were started in this project."""
        found = []
        for each in psutil.process_iter():
            try:
                if each.environ().get("PERENNIAL_ROOT") == str(self.root):
                    found.append(each)
            except (psutil.AccessDenied, psutil.NoSuchProcess, psutil.ZombieProcess):
                continue
        return found

    def named(self, words: str) -> list[psutil.Process]:
        return [each for each in self.processes() if words in " ".join(each.cmdline())]


class Patient(httpx.HTTPTransport):
    """Ask again where the server says that it may be: its SQLite file is locked, on a busy machine.

    Prefect's own client does the same.
    """

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        until = time.monotonic() + 60
        while True:
            answer = super().handle_request(request)
            if answer.status_code != 503 or time.monotonic() > until:
                return answer
            answer.read()
            answer.close()
            time.sleep(0.5)


def write_project(project: Path, others: tuple[str, ...]) -> None:
    """Add models to a project, and modules of its own that are called as ours are."""
    definition = (project / "deployments" / "flight_delay.toml").read_text()
    for name in others:
        text = definition.replace(MODEL, name).partition("\n[schedule]")[0] + _times(name)
        if name == "slow":
            text = text.replace("[training]", "[training]\nrounds = 100000\nearly_stopping = 0")
        (project / "deployments" / f"{name}.toml").write_text(text)
    first = project / "deployments" / "flight_delay.toml"
    first.write_text(definition.partition("\n[schedule]")[0] + _times(MODEL))
    for own in ("tasks.py", "flows/__init__.py"):
        (project / own).parent.mkdir(exist_ok=True)
        (project / own).write_text("raise RuntimeError('the project has its own')")
    shutil.rmtree(project / ".perennial", ignore_errors=True)


def _times(model: str) -> str:
    retrain = "* * * * *" if model == "clocked" else "never"
    zone = "America/New_York"
    return f'\n[schedule]\nretrain = "{retrain}"\nmonitor = "never"\ntime_zone = "{zone}"\n'


def find_ports(count: int) -> int:
    """Find the first of several free ports in a row, where no port is given out by itself."""
    from tasks.processes.settings import is_free

    while True:
        first = random.randrange(20_000, 30_000)
        if all(is_free("127.0.0.1", first + place) for place in range(count)):
            return first


def wait_for(
    find: Callable[[], Any], seconds: float = 90, tell: Callable[[], str] = lambda: ""
) -> Any:
    until = time.monotonic() + seconds
    while not (found := find()):
        assert time.monotonic() < until, f"it did not happen in time\n{tell()}"
        time.sleep(0.1)
    return found
