"""One scrape answers for all workers; no sum falls, whoever answers and whoever died."""

import logging
import shutil
import socket
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families
from servers import wait_for

from bentos.metrics import Metrics
from bentos.shared_metrics import SharedMetrics
from bentos.worker_group import WorkerGroup, found_group, join_group


@pytest.fixture
def pair(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[WorkerGroup]]:
    monkeypatch.setenv("PERENNIAL_WORKER_GROUP", "")
    found_group(2)
    groups = [each for each in (join_group(1), join_group(2)) if each is not None]
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(groups[1].address(1))
        door.listen()
        groups[1].board.set_ready(True)
        yield groups


def read(metrics: Metrics) -> dict[str, float]:
    families = text_string_to_metric_families(metrics.render().decode())
    return {
        " ".join([sample.name, *sample.labels.values()]): sample.value
        for family in families
        for sample in family.samples
    }


def test_counters_are_added_whoever_answers(pair: list[WorkerGroup]) -> None:
    here, there = map(SharedMetrics, pair)
    for metrics, rows in ((here, 3), (there, 4)):
        metrics.rows += rows
        metrics.responses["/predict", 200] += rows
        metrics.seconds.observe(0.02, rows)
        metrics.model = ("m", "v1")
        metrics.in_flight += 1
    there.responses["/predict", 429] += 1
    there.model = ("m", "v2")
    there.render()
    pair[0].board.set_ready(False)  # its own gauges count as long as it answers
    found = read(here)
    assert found["perennial_rows_total"] == 7
    assert found["perennial_responses_total /predict 200"] == 7
    assert found["perennial_responses_total /predict 429"] == 1
    assert found["perennial_answer_seconds_bucket 0.025"] == 7
    assert found["perennial_answer_seconds_sum"] == pytest.approx(0.14)
    assert found["perennial_requests_in_flight"] == 2
    assert found["perennial_model_info m v1"] == found["perennial_model_info m v2"] == 1


def test_a_worker_that_died_keeps_its_counts_and_the_next_goes_on_from_them(
    pair: list[WorkerGroup],
) -> None:
    here, there = map(SharedMetrics, pair)
    there.rows, there.in_flight = 5, 2
    there.render()
    pair[1].board.clear(1)
    found = read(here)
    assert (found["perennial_rows_total"], found["perennial_requests_in_flight"]) == (5, 0)
    again = SharedMetrics(pair[1])
    assert read(here)["perennial_rows_total"] == 5
    again.rows += 1
    assert read(again)["perennial_rows_total"] == 6
    assert read(here)["perennial_rows_total"] == 6


def test_in_flight_is_counted_beyond_the_process(pair: list[WorkerGroup]) -> None:
    here, there = map(SharedMetrics, pair)
    here.in_flight += 1
    there.in_flight += 1
    there.in_flight += 1
    assert here.elsewhere
    assert there.elsewhere
    assert (here.elsewhere(), there.elsewhere()) == (2, 1)


def test_counts_are_written_by_themselves_and_at_the_end(pair: list[WorkerGroup]) -> None:
    here, there = map(SharedMetrics, pair)
    there.start()
    there.rows = 2
    wait_for(lambda: read(here)["perennial_rows_total"] == 2)
    there.rows = 3
    there.stop()
    assert read(here)["perennial_rows_total"] == 3


def test_what_cannot_be_shared_is_said_once(
    pair: list[WorkerGroup], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("perennial.serving"), "propagate", True)
    monkeypatch.setattr("bentos.shared_metrics._SECONDS", 0.05)
    metrics = SharedMetrics(pair[0])
    metrics.start()
    shutil.rmtree(pair[0].folder)
    metrics.rows = 1
    wait_for(lambda: caplog.records)
    metrics.stop()
    assert caplog.text.count("metrics cannot be shared") == 1
