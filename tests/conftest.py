"""Real things for tests: 2,000 of the real flights, an S3 server on loopback, Prefect's harness."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, settings
from made_once import make_once
from planted import SECRETS

import flows  # noqa: F401  its environment must be there before Prefect is

REPOSITORY = Path(__file__).parents[1]
AS_INSTALLED = str(REPOSITORY / "tests" / "support" / "as_installed")
FLIGHTS = REPOSITORY / "data" / "nycflights13"
SMALL_TRAINING = """[training]
threads = 2
holdout = "60d"
params = { num_leaves = 7, learning_rate = 0.05 }
"""

# Tests start hundreds of processes: each would compile every module where that is not kept.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# And LightGBM would load scikit-learn in each, for a second: users have none.
paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
if AS_INSTALLED not in paths:
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [AS_INSTALLED, *paths]))

# The same examples on every machine: a run that fails here fails everywhere.
settings.register_profile(
    "fixed",
    max_examples=50,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("fixed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that wait most, and end with the rooms of tasks, each of which is short.

    So no process is left alone with a long file. The order within a file is kept.
    """
    waiting = ("test_local_stack.py", "test_kills.py")

    def place(item: pytest.Item) -> tuple[bool, bool, str, int | None]:
        file, line, _ = item.location
        return not file.endswith(waiting), file.startswith("tests/tasks/"), file, line

    items.sort(key=place)


@pytest.fixture(scope="session")
def few_flights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a project folder with every 97th flight of January to July, and all of the rest."""
    project = tmp_path_factory.mktemp("flights")
    data = project / "data" / "nycflights13"
    data.mkdir(parents=True)
    flights = pl.read_parquet(FLIGHTS / "flights-*.parquet")
    flights = flights.filter(pl.col("month") <= 7).gather_every(97)
    for month, rows in flights.partition_by("month", as_dict=True).items():
        rows.write_parquet(data / f"flights-2013-{month[0]:02d}.parquet")
    for table in ("planes", "weather"):
        shutil.copy(FLIGHTS / f"{table}.parquet", data)
    (project / "deployments").mkdir()
    text = (REPOSITORY / "deployments" / "flight_delay.toml").read_text()
    small = text.partition("[training]")[0] + SMALL_TRAINING
    (project / "deployments" / "flight_delay.toml").write_text(small)
    return project


@pytest.fixture
def project(few_flights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a copy of that project, with a root of its own."""
    shutil.copytree(few_flights, tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.setenv("PERENNIAL_ROOT", str(tmp_path / "root"))
    return tmp_path / "project"


@pytest.fixture
def definition_file(project: Path) -> Path:
    return project / "deployments" / "flight_delay.toml"


@pytest.fixture(scope="session")
def prefect_harness() -> Iterator[None]:
    from prefect.settings import (
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
        PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_ENABLED,
        temporary_settings,
    )
    from prefect.testing.utilities import prefect_test_harness

    quick = {
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None,
        PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_ENABLED: False,
    }
    with temporary_settings(quick), prefect_test_harness(server_startup_timeout=120):
        yield


@pytest.fixture
def retrain(project: Path, prefect_harness: None) -> Callable[..., dict[str, Any]]:
    """Run the real flow on the small project."""
    from flows.retrain import retrain as flow

    def run(model: str = "flight-delay", as_of: datetime | None = None) -> dict[str, Any]:
        return flow(model, as_of)

    return run


@pytest.fixture(scope="session")
def retrained_once(
    few_flights: Path, tmp_path_factory: pytest.TempPathFactory, prefect_harness: None
) -> Path:
    """Retrain the small project, once for all tests of all processes that only need a version."""
    return make_once(tmp_path_factory, "retrained", partial(make_retrained, few_flights))


def make_retrained(few_flights: Path, folder: Path) -> None:
    from flows.retrain import retrain as flow

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(few_flights)
        patch.setenv("PERENNIAL_ROOT", str(folder / "root"))
        made = flow("flight-delay")
    (folder / "made.json").write_text(json.dumps(made))


@pytest.fixture
def retrained(retrained_once: Path, project: Path, tmp_path: Path) -> dict[str, Any]:
    """Give what that run returned; its root is copied to the test's own."""
    shutil.copytree(retrained_once / "root", tmp_path / "root")
    made: dict[str, Any] = json.loads((retrained_once / "made.json").read_text())
    return made


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run an S3 server on a free port of loopback, and give its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = (tmp_path_factory.mktemp("s3") / "moto.log").open("w")
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "moto.server",
        "-H",
        "127.0.0.1",
        "-p",
        str(port),
    ]
    server = subprocess.Popen(command, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(150):
            try:
                urllib.request.urlopen(address, timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield address
    finally:
        server.terminate()
        server.wait(10)
        log.close()


@pytest.fixture
def bucket(s3_server: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Make a bucket of the test's own, with the environment that leads to it."""
    import s3fs

    for name, value in {
        "AWS_ENDPOINT_URL": s3_server,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    name = f"b{abs(hash(request.node.nodeid)):x}-{os.getpid()}"
    # Not by s3fs, whose first word in each test costs a quarter of a second.
    urllib.request.urlopen(urllib.request.Request(f"{s3_server}/{name}", method="PUT")).close()
    return f"s3://{name}"


class Released:
    """A project with two candidates, the older of them released by the real flow."""

    def __init__(self, project: Path, root: Path, home: Path, versions: list[str]) -> None:
        self.project, self.root, self.home = project, root, home
        self.older, self.newer = versions

    def copy(self, folder: Path) -> "Released":
        for part in (self.project, self.root, self.home):
            shutil.copytree(part, folder / part.name)
        parts = (folder / part.name for part in (self.project, self.root, self.home))
        return Released(*parts, [self.older, self.newer])


@pytest.fixture(scope="session")
def released_once(
    few_flights: Path, tmp_path_factory: pytest.TempPathFactory, prefect_harness: None
) -> Released:
    """Train two candidates and release the older one, once for all tests of all processes."""
    folder = make_once(tmp_path_factory, "released", partial(make_released, few_flights))
    versions = (folder / "versions.txt").read_text().split()
    return Released(folder / "project", folder / ".perennial", folder / "bentoml", versions)


def make_released(few_flights: Path, folder: Path) -> None:
    from flows.release import release
    from flows.retrain import retrain as flow

    project = shutil.copytree(few_flights, folder / "project")
    definition = project / "deployments" / "flight_delay.toml"
    # Other tests may hold the machine; and the way that is off by default is proven here.
    serving = '[serving]\nlatency_budget_ms = 5000\nconcurrency = 2\npredictor = "compiled"\n'
    definition.write_text(definition.read_text() + serving)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        patch.setenv("PERENNIAL_ROOT", str(folder / ".perennial"))
        patch.setenv("BENTOML_HOME", str(folder / "bentoml"))
        for name, secret in SECRETS.items():
            patch.setenv(name, secret)
        times = (datetime(2013, 7, 1, tzinfo=UTC), datetime(2013, 7, 20, tzinfo=UTC))
        versions = [flow("flight-delay", time)["version"] for time in times]
        release("flight-delay", versions[0], "approve", "Ada", "good enough")
    (folder / "versions.txt").write_text("\n".join(versions))


@pytest.fixture
def released(released_once: Released, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Released:
    """Give a test its own copy of a project with a champion and a newer candidate."""
    copied = released_once.copy(tmp_path)
    monkeypatch.chdir(copied.project)
    monkeypatch.setenv("PERENNIAL_ROOT", str(copied.root))
    monkeypatch.setenv("BENTOML_HOME", str(copied.home))
    return copied
