"""Two real workers extract the rows of one process and grow, within a tolerance, its forest."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import s3fs
from distributed import Client
from polars.testing import assert_frame_equal
from tables import ROWS, Project
from workers import Workers

from flows.retrain import plan_retrain
from tasks.cluster.dask_cluster import open_cluster
from tasks.core.columns import ROLE, TARGET
from tasks.core.definition import parse_definition
from tasks.core.errors import ClusterFailed, DefinitionError
from tasks.extraction import partitions
from tasks.extraction.partitions import find_partitions
from tasks.extraction.run_plan import Plan
from tasks.extraction.snapshot import extract_snapshot
from tasks.extraction.snapshot_parts import make_part
from tasks.extraction.task import extract
from tasks.preparation.split import Prepared, SplitRole
from tasks.preparation.task import prepare
from tasks.sources.query import open_table
from tasks.training.datasets import model_input
from tasks.training.lightgbm_params import check_parameters
from tasks.training.task import refit, train
from tasks.training.train import read_model

TOLERANCE = 0.02  # of a probability, on average over the holdout; docs/dask.md states it
Steps = tuple[Plan, Prepared]


@pytest.fixture(scope="module")
def workers(s3_server: str) -> Iterator[Workers]:
    """Start workers that can read buckets by an environment of their own."""
    started = Workers(
        AWS_ENDPOINT_URL=s3_server,
        AWS_ACCESS_KEY_ID="test",
        AWS_SECRET_ACCESS_KEY="test",
        AWS_DEFAULT_REGION="us-east-1",
    )
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


def predict(plan: Plan, prepared: Prepared, model: Path, part: SplitRole) -> np.ndarray:
    rows = prepared.scan(part).select(list(plan.features.expressions)).collect()
    return np.asarray(read_model(model.read_text()).predict(model_input(rows)))


@pytest.fixture
def files_apart(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Make a partition of every file, and hear of them."""
    caplog.set_level("INFO", "perennial")
    monkeypatch.setattr(partitions, "_ROWS", 1)


def snapshot_files(plan: Plan, folder: Path) -> dict[str, bytes]:
    folder.mkdir()
    return {part.name: part.read_bytes() for part in extract.fn(plan, folder).parts}


@pytest.mark.usefixtures("files_apart")
def test_two_workers_extract_the_snapshot_of_one_process(
    steps: Steps, workers: Workers, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spread = on_cluster(steps[0], scheduler=workers.address)
    alone = snapshot_files(on_cluster(spread, engine="local"), tmp_path / "alone")
    assert "came from Dask workers" not in caplog.text
    assert snapshot_files(spread, tmp_path / "spread") == alone
    assert "7 of 7 new partitions came from Dask workers" in caplog.text
    assert len(alone) == 7


@pytest.mark.usefixtures("files_apart")
def test_workers_read_buckets_by_an_environment_of_their_own(
    made: Project, bucket: str, workers: Workers, caplog: pytest.LogCaptureFixture
) -> None:
    files = s3fs.S3FileSystem(use_listings_cache=False)
    for number in range(4):
        made.write({f"s-{number}.parquet": ROWS[100 * number : 100 * number + 100]})
        files.put_file(f"{made.folder}/s-{number}.parquet", f"{bucket}/s-{number}.parquet")
    sources = f's = "{bucket}/s-*.parquet"'
    training = f'engine = "dask"\nscheduler = "{workers.address}"'
    spread = made.plan(sources=sources, training=training)
    assert spread.snapshot == made.plan(sources=sources).snapshot
    assert_frame_equal(made.snapshot(spread).scan().collect(), ROWS)
    assert "4 of 4 new partitions came from Dask workers" in caplog.text


@pytest.mark.usefixtures("files_apart")
def test_partitions_that_workers_find_changed_or_not_at_all_are_extracted_here(
    made: Project, workers: Workers, caplog: pytest.LogCaptureFixture
) -> None:
    other = pl.DataFrame({"c": ["north", "south"], "z": [1, 2]})
    made.write({"s-0.parquet": ROWS[:200], "s-1.parquet": ROWS[200:], "other.parquet": other})
    plan = made.plan(
        sources='s = "s-*.parquet"\nother = "other.parquet"',
        extract='query = "SELECT s.*, z FROM s LEFT JOIN other ON s.c = other.c"\n'
        'time = "t"\nkey = ["id"]',
        training=f'engine = "dask"\nscheduler = "{workers.address}"',
    )
    table = open_table(plan.definition, plan.project)
    first = find_partitions(plan.definition, table, plan.sources)[0]
    assert "No such file" in str(make_part(plan, first, {**table.files, "s": ("/gone.parquet",)}))
    made.write({"other.parquet": other.reverse()})
    assert len(made.snapshot(plan).scan().collect()) == 400
    assert "2 partitions are extracted here, not by tcp://127.0.0.1:" in caplog.text
    assert "has other files by these names" in caplog.text


@pytest.mark.usefixtures("files_apart")
def test_one_new_partition_needs_no_cluster(made: Project) -> None:
    made.write({f"s-{n}.parquet": ROWS[100 * n : 100 * n + 100] for n in range(4)})
    nowhere = 'engine = "dask"\nscheduler = "tcp://127.0.0.1:1"'
    plan = made.plan(sources='s = "s-*.parquet"', training=nowhere)
    table = open_table(plan.definition, plan.project)
    local = made.snapshot(made.plan(sources='s = "s-*.parquet"'))
    earlier = {part.stem.split("-")[2]: part for part in local.parts[:3]}
    parts = extract_snapshot(plan, table, made.folder / "grown", earlier)
    assert [part.name for part in parts] == [part.name for part in local.parts]


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
    ours, theirs = (
        predict(plan, prepared, each.twin, SplitRole.HOLDOUT) for each in (alone, shared)
    )
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
    later = pl.when(pl.col(ROLE) >= SplitRole.GAP).then(1 - pl.col(TARGET)).otherwise(TARGET)
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
        alone = on_cluster(plan, scheduler=own.address, workers=1).definition.training
        with open_cluster(alone) as one, pytest.raises(ClusterFailed, match=r"worker .* was lost"):
            list(one.spread(os.abort, [()]))
        own.add_worker()
        spread = on_cluster(plan, scheduler=own.address, early_stopping=0, rounds=100_000)
        killer = threading.Thread(target=kill_at_work, args=(own.address, own.processes[3].pid))
        killer.start()
        started = time.monotonic()
        with pytest.raises(ClusterFailed, match=r"worker .* (was lost|failed)"):
            train.fn(spread, prepared, tmp_path)
        assert time.monotonic() - started < 60
        killer.join()
    finally:
        own.stop()


def kill_at_work(address: str, pid: int) -> None:
    """Kill a worker once both have had something to do for a second."""
    deadline = time.monotonic() + 30
    with Client(address, set_as_default=False) as client:
        while time.monotonic() < deadline and not all(client.processing().values()):
            time.sleep(0.1)
    time.sleep(1)
    os.kill(pid, signal.SIGKILL)


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
    monkeypatch.setattr("tasks.cluster.dask_cluster._START_SECONDS", 1)
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
    monkeypatch.setattr("tasks.cluster.dask_cluster.find_spec", lambda name: None)
    with pytest.raises(DefinitionError, match="needs distributed, which is not installed"):
        check_parameters(definition, "a.toml")
