"""An alert is sent once, is sent again if no server took it, and never about the past."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from tasks.monitoring.alert_deduplication import Alert, SentAlert, remember_look, send_once
from tasks.storage.store import Store, open_store

NOW = datetime(2020, 1, 8, tzinfo=UTC)
LOST = Alert(kind="quality-lost", reason="auc fell", key="v1/quality-lost/7", found={"auc": 0.6})
BROKEN = Alert(kind="data-broken", reason="x is null", key="v1/data-broken/7", found={})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "root"))


def send(store: Store, as_of: datetime = NOW, waiting: str = "") -> list[SentAlert]:
    return list(send_once(store, "made", [LOST, BROKEN], as_of, waiting))


def test_alert_is_sent_once_for_each_key(store: Store, prefect_harness: None) -> None:
    assert [each.state for each in send(store)] == ["raised", "raised"]
    assert [each.state for each in send(store)] == ["known", "known"]
    later = LOST.model_copy(update={"key": "v1/quality-lost/8"})
    assert [each.state for each in send_once(store, "made", [later], NOW, "")] == ["raised"]


def test_alert_without_a_cause_is_remembered_as_ever() -> None:
    assert "cause" not in LOST.model_dump_json()


def test_server_that_does_not_answer_is_asked_once_and_nothing_is_remembered(store: Store) -> None:
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        sent = send(store)
    assert [each.state for each in sent] == ["not heard", "not heard"]
    assert sent[0].detail == sent[1].detail
    assert sent[0].detail.startswith("perennial.quality-lost: Prefect's server did not take")
    assert not Path(store.root, "monitoring/made/raised").exists()


def test_look_at_the_past_and_a_candidate_that_waits_hold_back(store: Store) -> None:
    remember_look(store, "made", NOW)
    remember_look(store, "made", NOW - timedelta(days=2))  # changes nothing
    past = send(store, NOW - timedelta(days=1))
    assert [each.state for each in past] == ["held back", "held back"]
    assert past[0].detail == "the past: the newest look was as of 2020-01-08 00:00 UTC"
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        lost, broken = send(store, waiting="v2")
    assert (lost.state, lost.detail) == ("held back", "v2 waits for a decision")
    assert broken.state == "not heard"  # data that is broken is for a person, now
