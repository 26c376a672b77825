"""Automations on a real server."""

from prefect.client.orchestration import get_client

from flows.automations import SILENCE, crash_silent_runs, register_automations


def test_automation_that_is_there_twice_is_left_once(prefect_harness: None) -> None:
    (name,) = register_automations()
    with get_client(sync_client=True) as client:
        client.create_automation(crash_silent_runs(SILENCE))
        register_automations()
        assert [each.name for each in client.read_automations()].count(name) == 1
