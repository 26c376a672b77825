"""Delivery: all addresses at once, and none that hangs keeps a run waiting."""

import time

from pydantic import SecretStr
from receivers import receiving

from tasks.notifications.addresses import Address
from tasks.notifications.delivery import deliver, examine
from tasks.notifications.messages import Message

FIRST, SECOND = (Message(key=key, subject=key, body="b") for key in ("first", "second"))


def at(place: str, problem: str = "") -> Address:
    target = SecretStr(f"json://{place}/")
    return Address(label=place, kind="url", target=target, problem=problem)


def test_address_that_hangs_or_is_dead_keeps_no_other_from_being_told() -> None:
    with receiving() as well, receiving() as slow:
        slow.delay = 3.0
        assert examine(at(well.place)) == ""  # loads Apprise's plugins, which takes a while
        start = time.monotonic()
        asked = {at(place): [FIRST, SECOND] for place in (well.place, slow.place, "127.0.0.1:9")}
        done = deliver(asked, 1.0)
        assert time.monotonic() - start < 2
        problems = {(each.label, each.key): each.problem for each in done}
        assert len(well.bodies) == 2
    assert problems[well.place, "second"] == ""
    assert problems[slow.place, "first"] == "gave no answer within 1 s"
    assert problems["127.0.0.1:9", "second"].startswith("did not take it")
    assert len(done) == 6


def test_address_is_examined_without_a_message() -> None:
    with receiving() as there:
        assert examine(at(there.place)) == ""
        assert there.bodies == []
    assert examine(at("x", "is nothing")) == "is nothing"
