"""A refused candidate is of an alert only where it came after it, on the champion that serves."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from judged import MODEL, NEW, NEWEST, OLD, put
from looks import make_look

from tasks.monitoring.alert_deduplication import SentAlert
from tasks.monitoring.looks import Look
from tasks.monitoring.refused_retrain import find_refused, made_since, when_raised
from tasks.storage.store import Store, open_store

LOST = SentAlert(kind="quality-lost", reason="auc fell", key="k", state="known")
LATER = datetime(2100, 1, 1, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("PERENNIAL_ROOT", str(tmp_path / "root"))
    return open_store()


def keep(store: Store, look: Look) -> Look:
    path = f"monitoring/{MODEL}/looks/{look.name}.json"
    store.create(path, look.model_dump_json().encode())
    return look


def test_candidate_refused_since_the_alert_is_said_with_why(store: Store) -> None:
    put(store, OLD)
    keep(store, make_look(OLD, 29))  # which raised it
    put(store, NEW, passed=False)
    keep(store, make_look(OLD, 30))
    assert find_refused(store, MODEL, OLD, [LOST]) == f"{NEW}: slices: origin EWR"
    put(store, NEWEST)  # a later one passed
    assert find_refused(store, MODEL, OLD, [LOST]) == ""


def test_candidate_refused_before_the_alert_mends_nothing_yet(store: Store) -> None:
    put(store, NEW, passed=False)
    keep(store, make_look(OLD, 29).model_copy(update={"at": LATER}))
    assert find_refused(store, MODEL, OLD, [LOST]) == ""


def test_only_alerts_that_ask_for_a_retrain_count(store: Store) -> None:
    keep(store, make_look(OLD, 29))
    put(store, NEW, passed=False)
    for other in ({"kind": "data-broken"}, {"state": "held back"}, {"state": "not heard"}):
        assert find_refused(store, MODEL, OLD, [LOST.model_copy(update=other)]) == ""
    assert find_refused(store, MODEL, OLD, [LOST]) != ""
    assert find_refused(store, MODEL, OLD, [LOST.model_copy(update={"state": "raised"})]) != ""
    moved = LOST.model_copy(update={"kind": "distribution-moved"})
    assert find_refused(store, MODEL, OLD, [moved]) == ""  # no look raised that


def test_alert_on_another_champion_started_nothing_for_this_one() -> None:
    looks = [make_look(OLD, 29), make_look(NEW, 30)]
    assert when_raised(looks, NEW, [LOST]) is None
    assert when_raised(looks[:1], OLD, [LOST]) == looks[0].at
    assert made_since([], LATER) is None
