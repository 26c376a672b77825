"""Findings become alerts with a key of their window, or warnings."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from tables import define

from tasks.core.definition import parse_definition
from tasks.monitoring.context import MonitoringContext, ServedRows
from tasks.monitoring.drift import ServedDrift
from tasks.monitoring.findings import MonitoringResult, warn_of
from tasks.monitoring.ground_truth_join import GroundTruth
from tasks.monitoring.performance import Performance
from tasks.monitoring.prediction_log import LoggedPredictions
from tasks.monitoring.service_health import ServiceHealth
from tasks.monitoring.skew import Skew
from tasks.serving.request_counts import Counters
from tasks.training.published_model import PublishedModel

UNTIL = datetime(2020, 1, 8, tzinfo=UTC)


def find(torn: int = 0, **findings: object) -> MonitoringResult:
    """Make what a quiet look finds, but for the findings that are given."""
    log = LoggedPredictions(files={}, rows={}, torn={f"part{n}": "is empty" for n in range(torn)})
    definition = parse_definition(define(), "made.toml")
    champion = PublishedModel.model_construct(definition=definition)
    quiet = {
        "watch": MonitoringContext.model_construct(champion=champion),
        "served": ServedRows(log=log, since=UNTIL - timedelta(days=7), until=UNTIL, rows={}),
        "ground_truth": GroundTruth(path=Path("answers.arrow"), rows=0),
        "performance": Performance(holdout={}, estimate={}),
        "drift": ServedDrift(),
        "skew": Skew(),
        "service": ServiceHealth(),
    }
    return MonitoringResult.model_construct(**{**quiet, **findings})  # type: ignore[arg-type]


def test_quiet_look_warns_of_nothing() -> None:
    assert list(warn_of(find())) == []


def test_parts_that_could_not_be_read_are_named_up_to_three() -> None:
    said = list(warn_of(find(torn=5)))
    assert said[0] == "log part part0 is empty; it was left out"
    assert said[3:] == ["2 more log parts could not be read"]


def test_counts_and_problems_are_told_in_order() -> None:
    hour = Counters(
        server="a",
        hour=UNTIL,
        responses={"/predict 200": 90, "/predict 500": 10},
        dropped={"disk": 3},
        bounds=(0.1,),
        answers=(90, 10),
    )
    found = find(
        ground_truth=GroundTruth(path=Path("answers.arrow"), rows=9, overdue=2, problem="no key"),
        drift=ServedDrift(problem="too few rows"),
        service=ServiceHealth(counters=hour, failed=10, damaged=("b.json",)),
    )
    assert list(warn_of(found)) == [
        "2 predictions should have a label by now, and have none",
        "no key",
        "too few rows",
        "10 of 100 requests failed (5xx)",
        "3 rows could not be logged: look at the disk under the root",
        "b.json is damaged; it was left out",
    ]
