"""Findings become alerts with a key of their window, or warnings."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from tables import define

from tasks.alarms.drift_decision import Alarm
from tasks.causes.mapping import Mapping
from tasks.causes.root_cause import RootCause
from tasks.core.definition import parse_definition
from tasks.evaluation.bootstrap import Interval
from tasks.evaluation.coverage import Coverage
from tasks.evaluation.quantile_shares import QuantileShare
from tasks.monitoring.context import MonitoringContext, ServedRows
from tasks.monitoring.drift import ServedDrift
from tasks.monitoring.findings import MonitoringResult, find_alerts, warn_of
from tasks.monitoring.ground_truth_join import GroundTruth
from tasks.monitoring.performance import Performance
from tasks.monitoring.prediction_log import LoggedPredictions
from tasks.monitoring.service_health import ServiceHealth
from tasks.monitoring.skew import Difference, Skew
from tasks.monitoring.staleness import Staleness
from tasks.registry.versions import Published
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


def test_alarm_is_told_with_its_causes_and_differences_with_what_made_them() -> None:
    alarm = Alarm(
        kind="data-broken", name="shape", score=3, threshold=1, columns=("x",), detail="x moved"
    )
    tenfold = Mapping(kind="linear", columns=("x",), about="multiplied by 10", factor=10)
    cause = RootCause(
        column="x", features=("x",), since=UNTIL - timedelta(days=2), rows=9, of=9, mapping=tenfold
    )
    skew = Skew(rows=40, columns=(Difference(column="x", rows=40, compared=40, mapping=tenfold),))
    drift = ServedDrift(alarms=(alarm,), causes=(cause,))
    champion = PublishedModel.model_construct(
        definition=parse_definition(define(), "made.toml"),
        published=Published.model_construct(path="models/made/v1", version="v1"),
    )
    watch = MonitoringContext.model_construct(champion=champion, definition=champion.definition)
    rest = {"staleness": Staleness(), "checks": (), "new_data": None}
    found = find(watch=watch, drift=drift, skew=skew, **rest)
    rung, differing = find_alerts(found)
    assert rung.cause.startswith("x is multiplied by 10 since about 2020-01-06 00:00 UTC (9 rows).")
    assert rung.found["causes"][0]["found_in"] == "requests"
    assert differing.cause == "x is multiplied by 10 in 40 of 40 rows."
    (quiet,) = find_alerts(found.model_copy(update={"drift": ServedDrift(), "skew": skew}))
    assert quiet.key == differing.key


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


def test_intervals_that_hold_too_few_rows_are_lost_quality() -> None:
    whole = Coverage(
        rows=2_000, asked=0.9, held=0.8, gain=Interval(value=-0.1, low=-0.12, high=-0.08), width=3.0
    )
    calm = whole.model_copy(update={"gain": Interval(value=-0.1, low=-0.3, high=0.1)})
    slices = [whole.model_copy(update={"slice": "carrier", "level": level}) for level in "ABCD"]
    definition = parse_definition(define(), "made.toml")
    champion = PublishedModel.model_construct(
        definition=definition, published=Published.model_construct(path="models/made/v1")
    )
    watch = MonitoringContext.model_construct(definition=definition, champion=champion)
    quiet = {"watch": watch, "staleness": Staleness(), "new_data": None, "checks": ()}
    held = Performance(holdout={}, estimate={}, coverage=(calm,))
    assert list(find_alerts(find(**quiet, performance=held))) == []
    lost = held.model_copy(update={"coverage": (whole, calm, *slices)})
    (alert,) = find_alerts(find(**quiet, performance=lost))
    assert alert.kind == "quality-lost"
    assert alert.reason.startswith("80.0% of 2,000 rows lie in their interval (78.0% to 82.0%)")
    assert alert.reason.endswith("in carrier = A, carrier = B, carrier = C and 1 more")
    only = held.model_copy(update={"coverage": (calm, slices[0])})
    (alert,) = find_alerts(find(**quiet, performance=only))
    assert alert.reason == "too few rows lie in their interval in carrier = A"


def test_quantiles_that_break_their_promise_are_lost_quality() -> None:
    target = 'value = "y"\nkind = "regression"\nquantiles = [0.1, 0.9]'
    definition = parse_definition(define(target=target), "made.toml")
    off = QuantileShare(
        quantile=0.9,
        rows=2_000,
        share=0.8,
        gain=Interval(value=-0.1, low=-0.12, high=-0.08),
        loss=1.5,
    )
    calm = off.model_copy(update={"gain": Interval(value=-0.1, low=-0.3, high=0.1)})
    champion = PublishedModel.model_construct(
        definition=definition, published=Published.model_construct(path="models/made/v1")
    )
    watch = MonitoringContext.model_construct(definition=definition, champion=champion)
    quiet = {"watch": watch, "staleness": Staleness(), "new_data": None, "checks": ()}
    held = Performance(holdout={}, estimate={}, quantiles=(calm,))
    assert list(find_alerts(find(**quiet, performance=held))) == []
    lost = held.model_copy(update={"quantiles": (off, calm)})
    (alert,) = find_alerts(find(**quiet, performance=lost))
    assert alert.kind == "quality-lost"
    assert alert.reason.startswith(
        "80.0% of 2,000 rows lie below the 0.9 quantile (78.0% to 82.0%)"
    )
