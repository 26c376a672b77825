"""What was asked and answered is kept, off the path of requests, whatever becomes of the server."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from servers import MODEL, Served, Versions, alter, counted, is_ready, serving, wait_for

from bentos import prediction_log_writer
from bentos.metrics import Metrics
from bentos.model import load_folder
from bentos.prediction_log_writer import PredictionLog
from tasks.storage.store import open_store

OLD = "date=2020-01-01"
QUICKLY = "log_flush_s = 0.1"
Question = dict[str, Any]


@pytest.fixture(scope="module")
def logging_server(
    versions: Versions, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("logged")
    kept = 'log_flush_s = 0.3\nlog_without = ["carrier"]\nlog_keep = "7d"'
    model = alter(versions.folder(versions.second), folder / "model", kept)
    old = folder / "root" / "predictions" / MODEL / OLD / "hour=00"
    old.mkdir(parents=True)
    old.parents[1].chmod(0o700)
    with serving(folder / "server", model, PERENNIAL_ROOT=str(folder / "root")) as running:
        yield running


def parts(served: Served) -> Path:
    return served.output.parents[1] / "root" / "predictions" / MODEL


def logged(served: Served) -> pl.DataFrame:
    days = [each for each in parts(served).glob("date=*") if each.name != OLD]  # that is removed
    found = sorted(part for day in days for part in day.glob("**/*.parquet"))
    return pl.concat([pl.read_parquet(each) for each in found]) if found else pl.DataFrame()


def count_kept(served: Served) -> int:
    frame = logged(served)
    return len(frame.filter(pl.col("__request") == "kept")) if len(frame) else 0


def test_rows_are_logged_with_prediction_version_request_and_time(
    logging_server: Served, questions: list[Question], versions: Versions
) -> None:
    with logging_server.client() as client:
        headers = {"x-request-id": "find-me"}
        keyed = questions[0] | {"flight": 11}
        one = client.post("/predict", json=keyed, headers=headers).raise_for_status().json()
        client.post("/predict", json=questions[:3]).raise_for_status()
        wait_for(lambda: counted(client, "log_rows_total") >= 4)
    new = [each for each in parts(logging_server).glob("date=*/**/*") if OLD not in str(each)]
    assert {each.stat().st_mode & 0o077 for each in new} == {0}
    frame = logged(logging_server).filter(pl.col("__request") == "find-me")
    (row,) = frame.rows(named=True)
    assert row["__prediction"] == one["prediction"]
    assert row["__version"] == versions.second
    assert row["__time"] is not None
    assert row["flight"] == 11
    assert row["sched_dep_time"] == questions[0]["sched_dep_time"]
    assert "carrier" not in row


def test_old_days_are_removed(logging_server: Served, questions: list[Question]) -> None:
    with logging_server.client() as client:
        client.post("/predict", json=questions[0]).raise_for_status()
    wait_for(lambda: not (parts(logging_server) / OLD).exists())


def test_a_kill_tears_no_part_and_loses_only_what_was_not_flushed(
    logging_server: Served, questions: list[Question]
) -> None:
    with logging_server.client() as client:
        for question in questions[:100]:
            client.post("/predict", json=question, headers={"x-request-id": "kept"})
        wait_for(lambda: count_kept(logging_server) == 100)  # others' rows may come between
        for question in questions[:100]:
            client.post("/predict", json=question, headers={"x-request-id": "perhaps"})
    worker = logging_server.worker()
    os.kill(worker, signal.SIGKILL)
    assert count_kept(logging_server) == 100
    wait_for(lambda: is_ready(logging_server), 30)
    assert logging_server.worker() != worker


def test_what_cannot_be_written_waits_up_to_a_bound_and_is_counted(
    versions: Versions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "predictions").write_text("no folder")
    model = load_folder(alter(versions.folder(versions.second), tmp_path / "model", QUICKLY))
    metrics, said = Metrics(), list[object]()
    monkeypatch.setattr(prediction_log_writer.log, "warning", lambda *parts: said.append(parts))
    log = PredictionLog(open_store(str(tmp_path / "root")), metrics)
    rows = versions.rows.select(list(model.schema.types))[:100]
    for _ in range(1_500):
        log.add(model, rows, [0.5] * 100, ["r"] * 100)
    assert metrics.dropped["queue full"] == 50_000
    log.start()
    wait_for(lambda: metrics.dropped["cannot write"] == 50_000)
    log.stop()
    assert len(said) == 1


def test_much_is_written_before_its_time(versions: Versions, tmp_path: Path) -> None:
    slow = alter(versions.folder(versions.second), tmp_path / "model", "log_flush_s = 600.0")
    model, metrics = load_folder(slow), Metrics()
    log = PredictionLog(open_store(str(tmp_path / "root")), metrics)
    row = versions.rows.select(list(model.schema.types)).row(0)
    log.start()
    for _ in range(30_000):
        log.add_row(model, row, 0.5, "r")
    wait_for(lambda: metrics.logged == 30_000)
    assert not metrics.dropped
    log.stop()


def test_days_are_kept_as_long_as_the_definition_says_and_an_idle_log_is_silent(
    versions: Versions, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keeps = alter(
        versions.folder(versions.second), tmp_path / "model", f'{QUICKLY}\nlog_keep = "7d"'
    )
    model, root = load_folder(keeps), tmp_path / "root"
    days = [root / "predictions" / MODEL / f"date={day}" for day in ("2020-01-01", "9999-01-01")]
    for each in (*days, root / "predictions" / MODEL / "notes"):
        each.mkdir(parents=True)
    log = PredictionLog(open_store(str(root)), Metrics())
    log.start()
    log.add(model, versions.rows.select(list(model.schema.types))[:1], [0.5], ["r"])
    wait_for(lambda: not days[0].exists())
    log.stop()
    assert days[1].exists()
    idle = PredictionLog(open_store(str(root)), Metrics())
    idle.start()
    idle.stop()
    assert caplog.text == ""
