"""What came in since a champion learned, by real files that come, change and go."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flows.retrain import plan_retrain
from tasks.monitoring.new_data import NewData, find_new_data
from tasks.registry.versions import get_version
from tasks.storage.store import open_store
from tasks.training.published_model import load

MODEL = "flight-delay"
Retrain = Callable[..., dict[str, Any]]
Look = Callable[..., NewData]


def take_july(project: Path) -> Path:
    file = project / "data" / "nycflights13" / "flights-2013-07.parquet"
    return file.rename(project / "july.parquet")


@pytest.fixture
def july(project: Path) -> Path:
    """Take July's flights away, to come in later."""
    return take_july(project)


@pytest.fixture(scope="module")
def learned(
    few_flights: Path, tmp_path_factory: pytest.TempPathFactory, prefect_harness: None
) -> tuple[Path, str]:
    """Train on what is there without July; give the root and the version."""
    from flows.retrain import retrain as flow

    folder = tmp_path_factory.mktemp("learned")
    take_july(shutil.copytree(few_flights, folder / "project"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder / "project")
        patch.setenv("PERENNIAL_ROOT", str(folder / "root"))
        return folder / "root", flow(MODEL)["version"]


@pytest.fixture
def look(july: Path, learned: tuple[Path, str], tmp_path: Path) -> Look:
    """Compare the sources at any time with what a version learned without July."""
    root, version = learned
    shutil.copytree(root, tmp_path / "root")

    def look_now(as_of: datetime | None = None) -> NewData:
        store = open_store()
        champion = get_version(store, MODEL, version)
        return find_new_data(plan_retrain(MODEL, as_of), load(store, champion))

    return look_now


def deliver(rows: pl.DataFrame, project: Path, name: str) -> None:
    rows.write_parquet(project / "data" / "nycflights13" / name)


def test_new_rows_count_once_their_label_has_matured(look: Look, project: Path, july: Path) -> None:
    before = look()
    assert (before.changed, before.rows, before.enough) == ((), 0, False)
    rows = pl.read_parquet(july)
    for part, name in ((rows[:100], "1"), (rows[100:], "2")):  # two deliveries, seen at one look
        deliver(part, project, f"flights-2013-07-{name}.parquet")
    found, twice = look(), look()
    matured = rows.filter(pl.col("time_hour") <= rows["time_hour"].max() - pl.duration(days=1))
    assert found.changed == ("flights",)
    assert found.rows >= matured["arr_delay"].count()
    assert found.enough
    assert found.key == twice.key
    assert look(datetime(2013, 7, 3, tzinfo=UTC)).rows < found.needed


def test_few_rows_are_not_worth_a_retrain(look: Look, project: Path, july: Path) -> None:
    deliver(pl.read_parquet(july)[:60], project, "flights-2013-07.parquet")
    found = look()
    assert 0 < found.rows < found.needed
    assert not found.enough
    assert f"{found.needed:,} are worth a retrain" in found.reason


def test_rows_and_labels_of_old_days_that_come_late_count(look: Look, project: Path) -> None:
    file = project / "data" / "nycflights13" / "flights-2013-02.parquet"
    rows = pl.read_parquet(file)
    unlabelled = rows["arr_delay"].null_count()
    rows.with_columns(pl.col("arr_delay").fill_null(3)).write_parquet(file)
    assert look().rows == unlabelled
    shifted = rows.with_columns(flight=pl.col("flight") + 10_000)
    deliver(shifted, project, "flights-2013-02-late.parquet")
    assert look().rows == unlabelled + shifted["arr_delay"].count()


def test_source_that_changes_without_new_rows_is_named_only(look: Look, project: Path) -> None:
    file = project / "data" / "nycflights13" / "planes.parquet"
    pl.read_parquet(file).with_columns(pl.col("seats") + 1).write_parquet(file)
    found = look()
    assert (found.changed, found.rows, found.enough) == (("planes",), 0, False)


def test_table_without_time_has_what_is_more_than_before(
    tmp_path: Path, prefect_harness: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tables import ROWS, define

    from flows.retrain import retrain as flow

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PERENNIAL_ROOT", str(tmp_path / "root"))
    gate = "latency_budget_ms = 5000"
    text = define(extract='key = ["id"]', serving=gate, training="threads = 2\nrounds = 5")
    (tmp_path / "made.toml").write_text(text)
    ROWS[:300].write_parquet(tmp_path / "s.parquet")
    version = flow("made.toml")["version"]
    ROWS.write_parquet(tmp_path / "s.parquet")
    store = open_store()
    champion = get_version(store, "made", version)
    assert find_new_data(plan_retrain("made.toml", None), load(store, champion)).rows == 100


def test_rows_that_fell_out_of_the_champions_window_are_not_new(
    july: Path, retrain: Retrain, definition_file: Path, project: Path
) -> None:
    time = 'time = "time_hour"\n'
    text = definition_file.read_text()
    few = text.replace("rows = 1000", "rows = 500")
    definition_file.write_text(few.replace(time, f'{time}window = "100d"\n'))
    champion = get_version(open_store(), MODEL, retrain()["version"])
    rows = pl.read_parquet(july)
    deliver(rows[:50], project, "flights-2013-07-1.parquet")
    found = find_new_data(plan_retrain(MODEL, None), load(open_store(), champion))
    assert 0 < found.rows <= 50
