"""The prediction log read back: each part once, however many pieces it came in, and by version."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from tasks.monitoring import prediction_log
from tasks.monitoring.log_pieces import forget_days
from tasks.monitoring.prediction_log import LoggedPredictions, read_log
from tasks.storage.store import Store, open_store

NOW = datetime(2020, 1, 3, 12, 30, tzinfo=UTC)
SINCE = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "root"))


def write(store: Store, at: datetime, rows: int, name: str = "a", version: str = "v1") -> None:
    frame = pl.DataFrame(
        {
            "__time": [at] * rows,
            "__request": ["r"] * rows,
            "__version": [version] * rows,
            "__prediction": [0.5] * rows,
            "x": list(range(rows)),
        }
    ).with_columns(pl.col("__time").cast(pl.Datetime("us", "UTC")))
    folder = Path(store.root, f"predictions/m/date={at:%Y-%m-%d}/hour={at:%H}")
    folder.mkdir(parents=True, exist_ok=True)
    frame.write_parquet(folder / f"{name}.parquet")


def read(store: Store, tmp_path: Path, now: datetime = NOW) -> LoggedPredictions:
    folder = tmp_path / "work"
    folder.mkdir(exist_ok=True)
    return read_log(store, "m", SINCE, now, folder)


def kept(store: Store) -> list[str]:
    found = Path(store.root).glob("monitoring/m/pieces/*/*.json")
    return sorted(f"{path.parent.name}/{path.stem}" for path in found)


def test_days_that_are_over_are_put_together_once_and_today_is_read_as_it_is(
    store: Store, tmp_path: Path
) -> None:
    for day in (1, 2, 3):
        for hour in (1, 12):
            write(store, datetime(2020, 1, day, hour, tzinfo=UTC), rows=10)
    for _ in range(2):
        log = read(store, tmp_path)
        assert log.rows == {"v1": 60}
        assert len(log.scan("v1").collect()) == 60
        assert kept(store) == ["2020-01-01/000", "2020-01-02/000"]


def test_part_that_comes_late_makes_a_piece_of_its_own(store: Store, tmp_path: Path) -> None:
    write(store, NOW - timedelta(days=1), rows=10)
    assert read(store, tmp_path).rows == {"v1": 10}
    write(store, NOW - timedelta(days=1), rows=5, name="late")
    assert read(store, tmp_path).rows == {"v1": 15}
    assert kept(store) == ["2020-01-02/000", "2020-01-02/001"]
    assert read(store, tmp_path).rows == {"v1": 15}


def test_many_parts_of_hours_that_are_over_do_not_wait_for_the_day(
    store: Store, tmp_path: Path
) -> None:
    for number in range(70):
        write(store, NOW - timedelta(hours=3), rows=2, name=f"p{number:02}")
    write(store, NOW, rows=1)
    assert read(store, tmp_path).rows == {"v1": 141}
    assert kept(store) == ["2020-01-03/000"]
    assert read(store, tmp_path).rows == {"v1": 141}


def test_rows_are_by_version(store: Store, tmp_path: Path) -> None:
    write(store, NOW - timedelta(days=1), rows=3)
    write(store, NOW - timedelta(days=1), rows=4, name="b", version="v2")
    write(store, NOW, rows=2, name="c", version="v2")
    log = read(store, tmp_path)
    assert log.rows == {"v1": 3, "v2": 6}
    assert log.scan("v2").collect()["__version"].unique().to_list() == ["v2"]


def test_older_days_are_left_alone_and_forgotten_in_time(store: Store, tmp_path: Path) -> None:
    write(store, SINCE - timedelta(days=1), rows=7)
    write(store, SINCE, rows=1)
    assert read(store, tmp_path).rows == {"v1": 1}
    forget_days(store, "monitoring/m/pieces", NOW)
    assert kept(store) == []
    assert read(store, tmp_path).rows == {"v1": 1}


def test_log_in_a_bucket_is_read_the_same(bucket: str, tmp_path: Path) -> None:
    local = open_store(str(tmp_path / "root"))
    write(local, NOW - timedelta(days=1), rows=30)
    write(local, NOW, rows=12)
    store = open_store(f"{bucket}/root")
    for path in Path(local.root).rglob("*.parquet"):
        store.create(path.relative_to(local.root).as_posix(), path.read_bytes())
    for _ in range(2):
        log = read(store, tmp_path)
        assert log.rows == {"v1": 42}
        assert log.scan("v1").select("x").sum().collect().item() == sum(range(30)) + sum(range(12))


def test_torn_part_is_named_and_costs_no_other_row(store: Store, tmp_path: Path) -> None:
    write(store, NOW, rows=10)
    hour = Path(store.root, f"predictions/m/date={NOW:%Y-%m-%d}/hour={NOW:%H}")
    (hour / "empty.parquet").write_bytes(b"")
    (hour / "half.parquet").write_bytes((hour / "a.parquet").read_bytes()[:100])
    pl.DataFrame({"x": [1]}).write_parquet(hour / "other.parquet")
    log = read(store, tmp_path)
    assert log.rows == {"v1": 10}
    said = {name.rpartition("/")[2]: why for name, why in log.torn.items()}
    assert said["empty.parquet"] == "is empty"
    assert said["half.parquet"].startswith("cannot be read: ")
    assert said["other.parquet"] == "is no part of a prediction log: it lacks __time"


def test_many_rows_become_several_files(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prediction_log, "_PIECE_ROWS", 15)
    for name in "abc":
        write(store, NOW - timedelta(days=1), rows=10, name=name)
    log = read(store, tmp_path)
    assert (log.rows, len(log.files["v1"])) == ({"v1": 30}, 2)
    assert len(log.scan("v1").collect()) == 30


def test_day_that_another_run_put_together_meanwhile_is_read_once(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(store, NOW - timedelta(days=1), rows=10)
    create = store.create

    def be_second(path: str, data: bytes) -> None:
        if path.endswith(".json"):
            create(path, data)
        create(path, data)

    monkeypatch.setattr(store, "create", be_second)
    assert read(store, tmp_path).rows == {"v1": 10}
    monkeypatch.undo()
    assert read(store, tmp_path).rows == {"v1": 10}


def test_pieces_of_days_that_are_kept_stay(store: Store, tmp_path: Path) -> None:
    write(store, NOW - timedelta(days=1), rows=10)
    read(store, tmp_path)
    forget_days(store, "monitoring/m/pieces", NOW - timedelta(days=1))
    assert kept(store) == ["2020-01-02/000"]
