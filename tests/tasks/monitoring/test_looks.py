"""Looks are kept by their time, none in the place of another, and old ones but one for each day."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from monitored import FOUND, UNTIL, make_result

from tasks.core.errors import StoreError
from tasks.monitoring.findings import MonitoringResult
from tasks.monitoring.looks import (
    Look,
    LookAlert,
    has_new_alert,
    keep_look,
    list_looks,
    read_looks,
    thin_out,
)
from tasks.storage.store import Store, open_store

REPORT = "monitoring/made/reports/2013-07-31/report.html"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path))


def keep(store: Store, found: MonitoringResult) -> Look:
    store.replace(REPORT, b"<h1>a page</h1>")
    return keep_look(store, found, ["a <b>warning</b>"], f"{store.root}/{REPORT}")


def test_each_look_is_kept_whole_and_read_again(store: Store) -> None:
    first, second = (keep(store, make_result()) for _ in range(2))
    assert list_looks(store, "made") == sorted([first.name, second.name])
    assert read_looks(store, "made", [second.name]) == {second.name: second}
    assert first.until == UNTIL
    assert (first.quality.value, first.quality.promised, first.quality.lost) == (0.65, 0.8924, True)
    assert first.quality.low == pytest.approx(0.8924 - 0.3)
    assert first.quality.high == pytest.approx(0.8924 - 0.1)
    moved = {each.column: each for each in first.columns}
    assert (moved["temp"].distance, moved["temp"].weight, moved["temp"].alarm) == (0.7, 0.6, True)
    assert not moved["carrier"].alarm
    assert [each.kind for each in first.alerts] == ["quality-lost", "data-broken"]
    assert first.broken == ("nulls of 'temp'",)


def test_of_a_loss_the_interval_is_turned(store: Store) -> None:
    quality: dict[str, Any] = {"metric": "log_loss", "rows": 9, "value": 0.7, "holdout": 0.4}
    quality["gain"] = {"value": -0.3, "low": -0.4, "high": -0.2}
    definition = {**FOUND["watch"]["definition"], "gate": {"metric": "log_loss"}}
    watch = {**FOUND["watch"], "definition": definition}
    performance = {**FOUND["performance"], "quality": quality, "estimate": {}}
    kept = keep(store, make_result(watch=watch, performance=performance)).quality
    assert (kept.low, kept.high) == (pytest.approx(0.6), pytest.approx(0.8))
    assert kept.estimate is None


def test_what_says_nothing_yet_says_why(store: Store) -> None:
    nothing = {"holdout": {}, "estimate": {}, "problem": "no label yet"}
    assert keep(store, make_result(performance=nothing)).quality.reason == "no label yet"


def test_after_a_week_alerts_and_the_last_look_about_each_day_stay(store: Store) -> None:
    told = keep(store, make_result())
    looks = [keep(store, make_result(alerts=())) for _ in range(3)]
    other = {**FOUND["served"], "until": UNTIL - timedelta(days=1)}
    before = keep(store, make_result(served=other, alerts=()))
    thin_out(store, "made", datetime.now(UTC) + timedelta(days=6))
    assert len(list_looks(store, "made")) == 5
    thin_out(store, "made", datetime.now(UTC) + timedelta(days=8))
    assert list_looks(store, "made") == [before.name, told.name, looks[-1].name]
    assert [has_new_alert(each.name) for each in (before, told)] == [False, True]


def test_alert_without_a_cause_is_kept_as_ever() -> None:
    kept = LookAlert(kind="data-broken", reason="r", state="raised").model_dump_json()
    assert kept == '{"kind":"data-broken","reason":"r","state":"raised","detail":""}'
    assert LookAlert.model_validate_json(kept).cause == ""


def test_damaged_look_is_named_and_strange_names_are_left_alone(store: Store) -> None:
    name = keep(store, make_result()).name
    store.replace("monitoring/made/looks/README", b"")
    store.replace(f"monitoring/made/looks/{name}.json", b"{")
    assert list_looks(store, "made") == [name]
    assert read_looks(store, "made", ["../../secret"]) == {}
    with pytest.raises(StoreError, match=rf"{name}\.json: is damaged; remove it"):
        read_looks(store, "made", [name])
