"""What is new about a model is told once where it has addresses, and never fails a run."""

import logging
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from judged import MODEL, NEW, OLD, put
from receivers import Receiver, receiving

from tasks.core.watch_sections import Notify
from tasks.monitoring.alert_deduplication import SentAlert
from tasks.notifications import task
from tasks.notifications.task import find_news, tell, tell_news
from tasks.registry.decisions import Decision, record
from tasks.registry.ledger import append_entry
from tasks.registry.versions import Published
from tasks.storage.store import Store, open_store

DATA_BROKEN = SentAlert(kind="data-broken", reason="x is null", key="k1", state="raised")
NEW_DATA = SentAlert(kind="new-data", reason="300 rows", key="k2", state="raised")
HELD = SentAlert(
    kind="quality-lost",
    reason="auc fell",
    key="k3",
    state="held back",
    detail=f"{NEW} waits for a decision",
)
PAST = HELD.model_copy(update={"detail": "the past: the newest look was later", "key": "k4"})


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PERENNIAL_ROOT", str(tmp_path / "root"))
    return open_store()


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    with receiving() as there:
        monkeypatch.setenv("PERENNIAL_NOTIFY", f"json://{there.place}/")
        yield there


def run(store: Store, *alerts: SentAlert) -> None:
    tell_news.fn(store.root, MODEL, MODEL, alerts, "/kept/page.html")


def reject(store: Store, published: Published) -> None:
    words = {"model": MODEL, "version": published.version, "action": "reject", "reason": "odd"}
    record(store, Decision.model_validate(words | {"approver": "Ada"}), published)


def test_candidates_decisions_and_alerts_are_told_once(store: Store, receiver: Receiver) -> None:
    old = put(store, OLD)
    put(store, NEW, passed=False)
    run(store, DATA_BROKEN, NEW_DATA, PAST)
    assert [each["title"] for each in receiver.bodies] == [
        f"churn: candidate {NEW} was refused",
        f"churn: candidate {OLD} passed and waits for a decision",
        "churn: data broken",
    ]
    assert f"perennial approve churn {OLD} --as NAME" in receiver.texts[1]
    reject(store, old)
    for _ in range(2):
        run(store, DATA_BROKEN)
    assert [each["title"] for each in receiver.bodies[3:]] == [f"churn: rejected {OLD}"]


def test_held_back_alert_is_told_with_the_candidate_that_holds_it(
    store: Store, receiver: Receiver
) -> None:
    put(store, OLD)
    put(store, NEW)
    run(store)
    run(store, HELD)
    run(store, HELD)
    first, second = receiver.texts
    assert f"Older candidates that wait, too: {OLD}" in first
    assert "- quality lost: auc fell" in second
    assert "told 0 hours ago" in second


def test_definition_says_how_often_to_remind(store: Store) -> None:
    put(store, NEW)
    (message,) = find_news(store, MODEL, Notify(remind=timedelta(hours=8)))
    assert message.remind == timedelta(hours=8)


def test_old_news_are_history(
    store: Store, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    reject(store, put(store, OLD))
    put(store, NEW, passed=False)
    monkeypatch.setattr(task, "NEWS", timedelta(0))
    time.sleep(0.01)
    run(store)
    assert receiver.bodies == []


def test_nothing_is_done_where_nobody_is_told(store: Store) -> None:
    put(store, NEW)
    tell(store.root, MODEL)  # without Prefect
    assert not Path(store.root, "notified").exists()


def test_what_cannot_be_told_is_logged_and_told_at_the_next_look(
    store: Store, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    put(store, NEW)
    receiver.status = 500
    run(store)
    assert "PERENNIAL_NOTIFY 1 (json://) did not take it" in caplog.text
    assert f"candidate {NEW} passed" in caplog.text
    receiver.status = 204
    with caplog.at_level(logging.INFO, "perennial.notifications"):
        run(store)
    assert "PERENNIAL_NOTIFY 1 (json://) was told: churn" in caplog.text
    assert len(receiver.bodies) == 2


def test_ledger_that_is_broken_fails_no_run_that_tells(
    store: Store, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    said = {"version": OLD, "manifest": "f00d", "approver": "Ada", "reason": "x"}
    append_entry(store, MODEL, action="reject", **said)
    entry = Path(store.root, "models", MODEL, "ledger", "000001.json")
    entry.write_text(entry.read_text().replace("Ada", "Eve"))
    run(store)
    assert "nobody was told of churn: " in caplog.text
    assert "was changed after it was recorded" in caplog.text


def test_step_is_recorded_by_prefect(
    store: Store, receiver: Receiver, prefect_harness: None
) -> None:
    put(store, NEW)
    tell(store.root, MODEL, "", (DATA_BROKEN,), "/kept/page.html")
    assert len(receiver.bodies) == 2
