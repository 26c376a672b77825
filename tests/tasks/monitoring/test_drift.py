"""Stretches that are over are kept and read back the same; a late part makes another one."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from tables import ROWS, define

from tasks.alarms.calibration import Calibration
from tasks.alarms.thresholds import calibrate
from tasks.core.columns import PREDICTION, TIME
from tasks.core.definition import Definition, parse_definition
from tasks.features.transform import compile_features
from tasks.monitoring import drift
from tasks.monitoring.drift import ChunkProfile, ChunkProfiler
from tasks.monitoring.log_pieces import forget_days
from tasks.monitoring.prediction_log import LoggedPredictions, read_log
from tasks.storage.store import Store, open_store

SINCE, NOW = datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 1, 11, 2, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def every_stretch_is_worth_keeping(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drift, "_WORTH", 1)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "root"))


def write(store: Store, rows: pl.DataFrame, name: str = "part") -> None:
    for (day,), part in rows.group_by(pl.col("t").dt.date()):
        folder = Path(store.root, f"predictions/made/date={day}/hour=23")
        folder.mkdir(parents=True, exist_ok=True)
        part.select(
            pl.col("t").dt.replace_time_zone("UTC").alias("__time"),
            pl.lit("r").alias("__request"),
            pl.lit("v1").alias("__version"),
            pl.lit(0.5).alias("__prediction"),
            pl.all().exclude("y"),
        ).write_parquet(folder / f"{name}.parquet")


def sketch(
    store: Store,
    tmp_path: Path,
    version: str = "v1",
    extract: str = 'time = "t"\nkey = ["id"]',
    calibration: Calibration | None = None,
) -> list[ChunkProfile]:
    folder = tmp_path / "work"
    folder.mkdir(exist_ok=True)
    log: LoggedPredictions = read_log(store, "made", SINCE, NOW, folder)
    definition: Definition = parse_definition(define(extract=extract), "made.toml")
    features = compile_features(definition, ROWS.schema, "made.toml")
    profiler = ChunkProfiler(store, version, definition, features, calibration, DAY)
    return profiler.profile(log, SINCE, NOW)


def kept(store: Store) -> list[str]:
    return sorted(path.stem for path in Path(store.root).rglob("stretches/*/*.profile"))


def test_stretch_is_kept_once_and_read_back_the_same(store: Store, tmp_path: Path) -> None:
    write(store, ROWS.head(240))
    made = sketch(store, tmp_path)
    names = kept(store)
    again = sketch(store, tmp_path)
    assert sum(each.rows for each in made) == 239  # the first row is of the moment before
    assert [(each.start, each.rows) for each in again] == [(each.start, each.rows) for each in made]
    assert names == kept(store)
    assert len(names) >= 9


def test_late_part_makes_the_stretch_anew(store: Store, tmp_path: Path) -> None:
    write(store, ROWS.head(240))
    sketch(store, tmp_path)
    before = kept(store)
    write(store, ROWS.slice(230, 5), name="late")
    assert sum(each.rows for each in sketch(store, tmp_path)) == 244
    assert len(kept(store)) > len(before)


def test_half_a_stretch_that_a_killed_run_left_is_made_whole(store: Store, tmp_path: Path) -> None:
    write(store, ROWS.head(240))
    sketch(store, tmp_path)
    names = kept(store)
    for path in Path(store.root).rglob("stretches/*/*.profile"):
        path.unlink()
    assert sum(each.rows for each in sketch(store, tmp_path)) == 239
    assert kept(store) == names


def test_version_without_a_row_and_rows_without_a_time_are_no_trouble(
    store: Store, tmp_path: Path
) -> None:
    write(store, ROWS.head(48))
    assert sketch(store, tmp_path, "v2") == []
    asked = sketch(store, tmp_path, extract='key = ["id"]')
    assert sum(each.rows for each in asked) == 47


def test_old_stretches_are_forgotten_and_others_stay(store: Store, tmp_path: Path) -> None:
    write(store, ROWS.head(240))
    sketch(store, tmp_path)
    before = len(kept(store))
    forget_days(store, "monitoring/made/stretches", SINCE + 5 * DAY)
    assert 0 < len(kept(store)) < before


def test_counts_are_kept_beside_the_profile_and_read_back_the_same(
    store: Store, tmp_path: Path
) -> None:
    write(store, ROWS.head(240))
    definition = parse_definition(define(extract='time = "t"\nkey = ["id"]'), "made.toml")
    features = compile_features(definition, ROWS.schema, "made.toml")
    history = ROWS.select(
        pl.col("t").dt.replace_time_zone("UTC").alias(TIME),
        pl.lit(0.5).alias(PREDICTION),
        *features.columns,
        "id",
    )
    calibration = calibrate(definition, features, {"x": 1.0}, history)
    made = sketch(store, tmp_path, calibration=calibration)
    names = kept(store)
    again = sketch(store, tmp_path, calibration=calibration)
    assert names == kept(store)
    for one, other in zip(made, again, strict=True):
        assert one.counts is not None
        assert other.counts is not None
        assert one.counts.rows.tolist() == other.counts.rows.tolist()


def test_rows_that_are_only_in_a_working_folder_are_sketched_and_not_kept(
    store: Store, tmp_path: Path
) -> None:
    moved = NOW - ROWS["t"][239].replace(tzinfo=UTC) - timedelta(hours=1)
    write(store, ROWS.head(240).with_columns(pl.col("t") + moved))
    before = kept(store)
    asked = sketch(store, tmp_path)
    assert sum(each.rows for each in asked) > 200
    assert before == []
