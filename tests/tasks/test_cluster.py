"""Two real workers grow, within a stated tolerance, the forest of one process."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from flows.retrain import plan_retrain
from tasks.binning import model_input
from tasks.definition import parse_definition
from tasks.errors import ClusterFailed, DefinitionError
from tasks.extraction import extract
from tasks.plan import Plan
from tasks.preparation import PART, TARGET, Part, Prepared, prepare
from tasks.training import check_parameters, read_model, refit, train

TOLERANCE = 0.02  # of a probability, on average over the holdout; docs/dask.md states it
Steps = tuple[Plan, Prepared]


class Workers:
    """A scheduler and two workers, each a process of its own."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{port}"
        where = ["--host", "127.0.0.1", "--no-dashboard"]
        self.processes = [self.start("dask_scheduler", *where, "--port", str(port))]
        for _ in range(2):
            self.add_worker()

    def start(self, name: str, *options: str) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-W", "ignore", "-m", f"distributed.cli.{name}", *options]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def add_worker(self) -> None:
        plain = ["--host", "127.0.0.1", "--no-dashboard", "--no-nanny", "--nthreads", "1"]
        self.processes.append(self.start("dask_worker", self.address, *plain))

    def stop(self) -> None:
        for each in reversed(self.processes):
            each.terminate()
            each.wait(30)


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    started = Workers()
    yield started
    started.stop()


@pytest.fixture(scope="module")
def steps(few_flights: Path, tmp_path_factory: pytest.TempPathFactory) -> Steps:
    folder = tmp_path_factory.mktemp("steps")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERENNIAL_ROOT", str(folder / "root"))
        plan = plan_retrain(str(few_flights / "deployments" / "flight_delay.toml"), None)
        return plan, prepare.fn(plan, extract.fn(plan, folder), folder)


def on_cluster(plan: Plan, **keys: object) -> Plan:
    changes = {"engine": "dask", "workers": 2, **keys}
    training = plan.definition.training.model_copy(update=changes)
    definition = plan.definition.model_copy(update={"training": training})
    return plan.model_copy(update={"definition": definition})


def predict(plan: Plan, prepared: Prepared, model: Path, part: Part) -> np.ndarray:
    rows = prepared.scan(part).select(list(plan.features.expressions)).collect()
    return np.asarray(read_model(model.read_text()).predict(model_input(rows)))


def test_two_workers_grow_nearly_the_forest_of_one_process(
    steps: Steps, workers: Workers, tmp_path: Path
) -> None:
    plan, prepared = steps
    folders = [tmp_path / name for name in ("alone", "spread", "together", "again")]
    for each in folders:
        each.mkdir()
    # With few rows to judge by, near ties may end early stopping in quite another round.
    fixed = {"early_stopping": 0, "rounds": 60}
    alone = train.fn(on_cluster(plan, engine="local", **fixed), prepared, folders[0])
    same = on_cluster(plan, scheduler=workers.address, **fixed)
    shared = train.fn(same, prepared, folders[1])
    ours, theirs = (predict(plan, prepared, each.twin, Part.HOLDOUT) for each in (alone, shared))
    assert np.abs(ours - theirs).mean() < TOLERANCE
    assert np.corrcoef(ours, theirs)[0, 1] > 0.9
    spread = on_cluster(plan, scheduler=workers.address)
    together, again = (train.fn(spread, prepared, each) for each in folders[2:])
    assert len(set(together.curve)) > 1
    assert together.rounds == 1 + together.curve.index(min(together.curve))
    assert together.twin.read_bytes() == again.twin.read_bytes()
    assert together.simple.read_bytes() == again.simple.read_bytes()
    assert "127.0.0.1" not in together.twin.read_text()


def test_refit_learns_from_all_rows_on_every_worker(
    steps: Steps, workers: Workers, tmp_path: Path
) -> None:
    plan, prepared = steps
    trained = train.fn(plan, prepared, tmp_path).model_copy(update={"rounds": 1})
    spread = on_cluster(plan, scheduler=workers.address)
    model = read_model(refit.fn(spread, prepared, trained, tmp_path).read_text())
    root = model.dump_model()["tree_info"][0]["tree_structure"]
    assert root["internal_count"] == sum(prepared.rows.values())


def test_holdout_has_no_say(steps: Steps, workers: Workers, tmp_path: Path) -> None:
    plan, prepared = steps
    flipped, spread = tmp_path / "flipped.arrow", on_cluster(plan, scheduler=workers.address)
    later = pl.when(pl.col(PART) >= Part.GAP).then(1 - pl.col(TARGET)).otherwise(TARGET)
    pl.read_ipc(prepared.path).with_columns(later.alias(TARGET)).write_ipc(flipped)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first = train.fn(spread, prepared, tmp_path / "a")
    second = train.fn(spread, prepared.model_copy(update={"path": flipped}), tmp_path / "b")
    assert first.twin.read_bytes() == second.twin.read_bytes()


def test_lost_worker_ends_the_run_with_its_name(steps: Steps, tmp_path: Path) -> None:
    plan, prepared = steps
    own = Workers()
    try:
        spread = on_cluster(plan, scheduler=own.address, early_stopping=0, rounds=100_000)
        killer = threading.Timer(5, lambda: os.kill(own.processes[2].pid, signal.SIGKILL))
        killer.start()
        started = time.monotonic()
        with pytest.raises(ClusterFailed, match=r"worker .* (was lost|failed)"):
            train.fn(spread, prepared, tmp_path)
        assert time.monotonic() - started < 60
    finally:
        killer.cancel()
        own.stop()


def test_workers_of_its_own_are_started_where_no_scheduler_is_named(
    steps: Steps, tmp_path: Path
) -> None:
    plan, prepared = steps
    trained = train.fn(on_cluster(plan, rounds=5, early_stopping=0), prepared, tmp_path)
    assert read_model(trained.twin.read_text()).num_trees() == 5


def test_scheduler_that_does_not_answer_or_has_too_few_workers_is_named(
    steps: Steps, workers: Workers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, prepared = steps
    monkeypatch.setattr("tasks.cluster._START_SECONDS", 1)
    with pytest.raises(ClusterFailed, match=r"no Dask scheduler answers at tcp://127.0.0.1:1"):
        train.fn(on_cluster(plan, scheduler="tcp://127.0.0.1:1"), prepared, tmp_path)
    with pytest.raises(ClusterFailed, match=r"workers = 9: the Dask scheduler at .* has 2"):
        train.fn(on_cluster(plan, scheduler=workers.address, workers=9), prepared, tmp_path)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ('scheduler = "tcp://h:8786"', "scheduler is for engine = 'dask'"),
        ('engine = "dask"\nscheduler = "h"', "must be the address of a Dask scheduler"),
        ('engine = "spark"', "'local' or 'dask'"),
    ],
)
def test_keys_that_do_not_fit_are_refused(keys: str, said: str) -> None:
    text = 'name = "a"\nsources.s = "a.csv"\ntarget = { value = "x", kind = "binary" }\n'
    with pytest.raises(DefinitionError, match=said):
        parse_definition(f"{text}[training]\n{keys}\n", "a.toml")


def test_dask_that_is_not_installed_is_named_before_any_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = 'name = "a"\nsources.s = "a.csv"\ntarget = { value = "x", kind = "binary" }\n'
    definition = parse_definition(f'{text}[training]\nengine = "dask"\n', "a.toml")
    check_parameters(definition, "a.toml")
    monkeypatch.setattr("tasks.cluster.find_spec", lambda name: None)
    with pytest.raises(DefinitionError, match="needs distributed, which is not installed"):
        check_parameters(definition, "a.toml")
