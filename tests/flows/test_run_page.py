"""What Prefect's own server shows of a run: its name and its last word."""

from datetime import UTC, datetime
from typing import Any

from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowFilter, FlowFilterName

from flows.run_page import conclude, name_run, say_candidate, say_decision

MADE: dict[str, Any] = {
    "version": "20130701-a",
    "verdict": "passed",
    "checks": [{"name": "calibration", "passed": True, "detail": ".02 of .03"}],
    "metrics": {"holdout": {"log_loss": 0.5}},
    "champion": {"candidate": {"log_loss": 0.4871}, "metrics": {"log_loss": 0.4948}},
}


def test_run_is_named_by_model_and_as_of_and_ends_with_its_verdict(prefect_harness: None) -> None:
    seen: list[str] = []

    @flow(name="named", flow_run_name=name_run)
    def named(model: str, as_of: datetime | None = None) -> dict[str, Any]:
        from prefect.runtime import flow_run

        seen.append(flow_run.name)
        return conclude({"model": model}, "passed", "passed v1:\n" + "long " * 100)

    as_of = datetime(2013, 7, 1, tzinfo=UTC)
    assert named("folder/flight-delay.toml", as_of) == {"model": "folder/flight-delay.toml"}
    assert named("bare") == {"model": "bare"}
    assert seen == ["flight-delay as of 2013-07-01", "bare"]

    @flow(name="spanning", flow_run_name=name_run)
    def spanning(model: str, start: datetime, end: str) -> str:
        from prefect.runtime import flow_run

        return str(flow_run.name)

    assert spanning("m", as_of, "2013-08-01T00:00:00Z") == "m from 2013-07-01 to 2013-08-01"
    with get_client(sync_client=True) as client:
        of_it = FlowFilter(name=FlowFilterName(any_=["named"]))  # the server has others' runs, too
        runs = {each.name: each for each in client.read_flow_runs(flow_filter=of_it)}
    run = runs["flight-delay as of 2013-07-01: passed"]
    assert "bare: passed" in runs
    assert run.state is not None
    assert run.state.is_completed()
    assert str(run.state.message).startswith("passed v1: long long")
    assert len(str(run.state.message)) == 300


def test_nothing_is_named_without_a_run() -> None:
    assert conclude({"model": "m"}, "passed", "said") == {"model": "m"}


def test_candidate_is_said_with_the_metric_before_and_after_or_what_refused_it() -> None:
    said = "passed 20130701-a: log loss 0.4948 → 0.4871; waits for a decision"
    assert say_candidate(MADE, known=False) == said
    first = MADE | {"champion": None, "release": {}}
    assert say_candidate(first, known=True) == "passed 20130701-a: log loss 0.5000; released"
    assert say_candidate(MADE, known=True).startswith("nothing to do: 20130701-a is there already")
    bad = [{"name": name, "passed": False, "detail": ".0756 over .03"} for name in ("ece", "auc")]
    assert say_candidate(MADE | {"checks": bad, "verdict": "refused"}, known=False) == (
        "refused 20130701-a: ece: .0756 over .03; and 1 more"
    )


def test_decision_is_said_by_what_it_came_to() -> None:
    described = {"version": "v1"}
    assert say_decision(described, "made", "release") == ("released", "released made v1")
    assert say_decision(described, "made", "reject") == ("rejected", "rejected made v1")
    assert say_decision(described, "made", "rollback") == (
        "rolled back to",
        "rolled back to made v1",
    )
