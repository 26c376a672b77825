"""Next runs are the server's where one answers, and the definition's where none does."""

from datetime import UTC, datetime

import pytest

from flows.ui import next_runs
from flows.ui.next_runs import ask_server, next_times
from tasks.core.schedule import Schedule


def test_schedule_gives_the_next_time_of_each_flow_in_its_zone() -> None:
    schedule = Schedule(retrain="30 2 * * sun", monitor="*/15 * * * *", time_zone="Europe/Berlin")
    found = next_times(schedule, datetime(2026, 3, 28, 12, 1, tzinfo=UTC))
    assert found["monitor"] == "2026-03-28T12:15:00+00:00"
    assert found["retrain"] >= "2026-03-29T00:59"  # half past two is not there that night
    never = Schedule(retrain="never", monitor="never", materialise="never")
    assert next_times(never, datetime(2026, 1, 1, tzinfo=UTC)) == {}


@pytest.mark.parametrize("address", ["", "http://127.0.0.1:9/api", "nonsense"])
def test_without_a_server_nothing_is_said_of_it(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", address)
    assert ask_server() is None


def test_server_s_own_schedule_is_asked_for(
    prefect_harness: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where others run often, too, each is asked for by itself."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.objects import StateType
    from prefect.settings import PREFECT_API_URL
    from prefect.states import Scheduled, State

    monkeypatch.setenv("PREFECT_API_URL", str(PREFECT_API_URL.value()))
    times = [datetime(2100, 1, day, tzinfo=UTC) for day in (2, 1)]
    with get_client(sync_client=True) as client:
        flow = client.create_flow_from_name("monitor")
        deployment = client.create_deployment(flow, "asked-for")
        for time in times:
            state: State[None] = Scheduled(scheduled_time=time)
            assert state.type == StateType.SCHEDULED
            client.create_flow_run_from_deployment(deployment, state=state)
    for most in (200, 1):
        monkeypatch.setattr(next_runs, "_RUNS", most)
        found = ask_server()
        assert found is not None
        assert found["monitor", "asked-for"] == "2100-01-01T00:00:00+00:00"
