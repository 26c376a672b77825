"""What a service counts lies under the root by the hour, for the monitor to add up."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from counted import read_counts
from servers import MODEL, Versions, serving, stop, wait_for

from bentos import request_count_writer
from bentos.metrics import Metrics
from bentos.request_count_writer import RequestCountWriter
from tasks.monitoring.log_pieces import forget_days
from tasks.serving.request_counts import (
    add_up,
    quantile,
)
from tasks.storage.store import open_store


def test_server_that_ends_leaves_its_responses_and_times(
    versions: Versions, tmp_path: Path, questions: list[dict[str, object]]
) -> None:
    root = tmp_path / "root"
    model = versions.folder(versions.second)
    with serving(tmp_path / "server", model, PERENNIAL_ROOT=str(root)) as served:
        with served.client() as client:
            for question in questions[:3]:
                client.post("/predict", json=question).raise_for_status()
            assert client.post("/predict", json={"no": 1}).status_code == 400
        stop(served.process)
    (counters,) = read_counts(open_store(str(root)))
    assert counters.responses == {"/predict 200": 3, "/predict 400": 1}
    assert counters.versions == (versions.second,)
    assert (counters.rows, sum(counters.answers)) == (3, 3)
    assert quantile(counters, 0.99) is not None


def test_each_hour_is_counted_by_itself_and_written_only_when_it_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, metrics, now = (
        open_store(str(tmp_path)),
        Metrics(),
        [datetime(2020, 1, 1, 8, tzinfo=UTC)],
    )
    monkeypatch.setattr(request_count_writer, "_this_hour", lambda: now[0])
    metrics.model = (MODEL, "v1")
    counter = RequestCountWriter(store, metrics)
    counter._write()
    assert read_counts(store) == []
    metrics.responses["/predict", 200] += 5
    metrics.responses["/livez", 200] += 99
    counter._write()
    now[0] += timedelta(hours=1)
    metrics.responses["/predict", 200] += 2
    counter._write()
    metrics.responses["/predict", 500] += 1
    counter._write()
    assert [each.responses for each in read_counts(store)] == [
        {"/predict 200": 7},
        {"/predict 200": 0, "/predict 500": 1},
    ]
    now[0] += timedelta(hours=3)
    counter._write()
    metrics.responses["/predict", 200] += 4
    counter._write()
    hours = [(each.hour.hour, each.responses.get("/predict 200")) for each in read_counts(store)]
    assert hours == [(8, 7), (9, 0), (12, 4)]
    total = add_up(read_counts(store))
    assert total is not None
    assert total.responses == {"/predict 200": 11, "/predict 500": 1}
    forget_days(store, f"monitoring/{MODEL}/service", datetime(2020, 1, 2, tzinfo=UTC))
    assert read_counts(store) == []


def test_what_cannot_be_written_now_is_in_the_next_file(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store, metrics = open_store(str(tmp_path)), Metrics()
    metrics.model = (MODEL, "v1")
    counter = RequestCountWriter(store, metrics)
    (tmp_path / "monitoring").write_text("no folder")
    metrics.responses["/predict", 200] += 5
    counter._write()
    counter._write()
    assert caplog.text.count("what was counted cannot be written") == 1
    (tmp_path / "monitoring").unlink()
    counter._write()
    assert [each.responses for each in read_counts(store)] == [{"/predict 200": 5}]


def test_counts_are_written_while_the_server_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_count_writer, "_SECONDS", 0.01)
    store, metrics = open_store(str(tmp_path)), Metrics()
    metrics.model = (MODEL, "v1")
    counter = RequestCountWriter(store, metrics)
    counter.start()
    metrics.responses["/predict", 200] += 5
    wait_for(lambda: read_counts(store))
    counter.stop()
    assert [each.responses for each in read_counts(store)] == [{"/predict 200": 5}]
