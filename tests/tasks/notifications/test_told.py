"""Each message is told once to each address, and again when it is due again."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from tasks.notifications.addresses import Address
from tasks.notifications.delivery import Delivery
from tasks.notifications.messages import Message
from tasks.notifications.told import Told, find_due, recall_trouble, remember
from tasks.storage.store import Store, open_store

HERE, THERE = (Address(label=x, kind="url", target=SecretStr(x)) for x in ("here", "there"))
ONCE = Message(key="once", subject="released", body="b")
WAITS = Message(key="waits", subject="waits", body="b", remind=timedelta(days=1), held=("a",))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "root"))


def take(store: Store, message: Message, address: Address, problem: str = "") -> None:
    done = [Delivery(label=address.label, key=message.key, problem=problem)]
    remember(store, "m", [message], done)


def due(store: Store, *messages: Message) -> dict[str, list[str]]:
    found = find_due(store, "m", [HERE, THERE], messages)
    return {address.label: [each.subject for each in told] for address, told in found.items()}


def age(store: Store, days: float) -> None:
    """Let what was told have been told some days earlier."""
    for path in Path(store.root, "notified", "m").iterdir():
        told, earlier = Told.model_validate_json(path.read_text()), timedelta(days=days)
        older = {"first": told.first - earlier, "last": told.last - earlier}
        path.write_text(told.model_copy(update=older).model_dump_json())


def test_message_is_told_once_to_each_address_that_took_it(store: Store) -> None:
    assert due(store, ONCE) == {"here": ["released"], "there": ["released"]}
    take(store, ONCE, HERE)
    take(store, ONCE, THERE, "answered 500")
    assert due(store, ONCE) == {"there": ["released"]}
    age(store, 1000)
    assert due(store, ONCE) == {"there": ["released"]}


def test_what_waits_is_told_again_after_its_time_and_when_more_is_held_back(store: Store) -> None:
    for address in (HERE, THERE):
        take(store, WAITS, address)
    assert due(store, WAITS) == {}
    assert due(store, WAITS.model_copy(update={"held": ()})) == {}
    more = WAITS.model_copy(update={"held": ("a", "b")})
    assert due(store, more)["here"] == ["waits (told 0 hours ago)"]
    age(store, 1.01)
    assert due(store, WAITS)["there"] == ["waits (told 24 hours ago)"]
    take(store, WAITS, HERE)
    assert list(due(store, WAITS)) == ["there"]
    age(store, 3)
    assert due(store, WAITS)["here"] == ["waits (told 4 days ago)"]


def test_newest_failure_of_an_address_is_remembered_until_it_takes_a_message(store: Store) -> None:
    assert recall_trouble(store, "here") is None
    take(store, ONCE, HERE, "answered 500")
    last = recall_trouble(store, "here")
    assert last is not None
    assert last.problem == "answered 500"
    assert datetime.now(UTC) - last.time < timedelta(minutes=1)
    take(store, ONCE, HERE)
    last = recall_trouble(store, "here")
    assert last is not None
    assert last.problem == ""


def test_damaged_memory_tells_again_rather_than_never(store: Store) -> None:
    take(store, ONCE, HERE)
    take(store, ONCE, THERE, "answered 500")
    for path in Path(store.root, "notified").rglob("*.json"):
        path.write_text("{")
    assert list(due(store, ONCE)) == ["here", "there"]
    assert recall_trouble(store, "there") is None
    take(store, ONCE, HERE)
    assert list(due(store, ONCE)) == ["there"]
