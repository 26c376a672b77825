"""Which entries of prefect.yaml are compared here, and which only Prefect understands."""

from typing import Any

import pytest

from flows.deployment_terms import describe_wanted, says_more

OURS: dict[str, Any] = {"name": "m", "entrypoint": "flows.score:score"}


@pytest.mark.parametrize(
    "more",
    [
        {"entrypoint": "jobs.py:nightly"},
        {"paused": True},
        {"work_pool": {"name": "local", "work_queue_name": "q"}},
        {"concurrency_limit": {"limit": 1, "grace_period_seconds": 60}},
        {"schedules": [{"interval": 3600}]},
        {"description": "{{ $WHO }} scores"},
    ],
)
def test_entry_that_says_more_is_left_to_prefect(more: dict[str, Any]) -> None:
    assert not says_more(OURS)
    assert says_more(OURS | more)


def test_bare_entry_is_described_by_what_prefect_takes_for_it() -> None:
    wanted = describe_wanted(OURS | {"concurrency_limit": 2})
    assert (wanted["limit"], wanted["strategy"], wanted["schedules"]) == (2, None, [])
    assert wanted["description"].startswith("Let a model's champion predict")
    assert set(wanted["schema"]["properties"]) >= {"model", "source", "target", "log"}
