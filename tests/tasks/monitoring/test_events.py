"""Events as Prefect's own server keeps them, and one that nobody takes."""

import time
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from tasks.core.errors import EventLost
from tasks.monitoring.events import emit


def test_event_arrives_with_all_that_was_found(prefect_harness: None) -> None:
    emit("told", "quality-lost", "auc is .61, it was .70", "v1/2013-07", auc=0.61)
    (event,) = read_events("perennial.quality-lost", "perennial.model.told")
    assert event["resource"] == {
        "prefect.resource.id": "perennial.model.told",
        "prefect.resource.name": "told",
    }
    assert event["payload"] == {
        "model": "told",
        "reason": "auc is .61, it was .70",
        "key": "v1/2013-07",
        "auc": 0.61,
    }


def test_event_that_no_server_takes_is_said_to_be_lost() -> None:
    nobody = temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"})
    with nobody, pytest.raises(EventLost, match="new-data: Prefect's server did not take"):
        emit("made", "new-data", "120 rows are new", "abc")


def read_events(name: str, resource: str) -> list[dict[str, Any]]:
    asked = {"filter": {"event": {"name": [name]}, "resource": {"id": [resource]}}}
    until = time.monotonic() + 10
    with get_client(sync_client=True) as client:
        while time.monotonic() < until:
            found = client.request("POST", "/events/filter", json=asked).json()["events"]
            if found:
                return list(found)
            time.sleep(0.1)
    return []
