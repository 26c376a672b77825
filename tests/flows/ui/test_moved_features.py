"""Since when a feature is away: the unbroken run of alarms about it, under one champion."""

import httpx
import pytest
from judged import MODEL, NEW, OLD
from looks import make_look

from flows.ui.moved_features import find_moved
from flows.ui.reading import Reader
from tasks.monitoring.looks import ColumnMove, Look, list_looks
from tasks.registry.versions import Published
from tasks.storage.store import Store


def keep(store: Store, day: int, alarms: dict[str, bool], champion: str = OLD) -> Look:
    columns = tuple(
        ColumnMove(column=name, distance=0.5 if alarm else 0.1, weight=0.5, alarm=alarm)
        for name, alarm in alarms.items()
    )
    look = make_look(champion, day).model_copy(update={"columns": columns})
    store.create(f"monitoring/{MODEL}/looks/{look.name}.json", look.model_dump_json().encode())
    return look


def moved(store: Store, newest: Look) -> list[tuple[str, str, bool]]:
    found = find_moved(Reader(store), MODEL, list_looks(store, MODEL), newest)
    return [(each["feature"], each["since"][:10], each["first"]) for each in found]


def test_run_begins_after_the_last_look_without_an_alarm_however_far_back(store: Store) -> None:
    for day in range(60):
        newest = keep(store, day, {"dest": 10 <= day < 20 or day >= 30, "hour": day < 59})
    assert moved(store, newest) == [("dest", "2020-01-31", False)]


def test_nothing_is_moved_where_the_newest_look_has_no_alarm(store: Store) -> None:
    keep(store, 0, {"dest": True})
    assert moved(store, keep(store, 1, {"dest": False})) == []


@pytest.mark.parametrize("between", [{}, {"hour": False}])
def test_look_that_did_not_compare_a_feature_ends_no_run(
    store: Store, between: dict[str, bool]
) -> None:
    keep(store, 0, {"dest": False})
    keep(store, 1, {"dest": True})
    keep(store, 2, between)
    assert moved(store, keep(store, 3, {"dest": True})) == [("dest", "2020-01-02", False)]


def test_run_goes_no_further_back_than_its_champion_and_says_so(store: Store) -> None:
    keep(store, 0, {"dest": True}, NEW)
    keep(store, 1, {"dest": True})
    assert moved(store, keep(store, 2, {"dest": True})) == [("dest", "2020-01-02", True)]


def test_both_pages_say_since_when(store: Store, crowned: Published, client: httpx.Client) -> None:
    keep(store, 0, {"<dest>": False})
    keep(store, 1, {"<dest>": True})
    keep(store, 2, {"<dest>": True})
    for page in ("/models", f"/models/{MODEL}"):
        assert "&lt;dest&gt; moved since <time" in client.get(page).text
    (row,) = client.get("/models.json").json()["models"]
    assert [each["since"][:10] for each in row["moved"]] == ["2020-01-02"]
