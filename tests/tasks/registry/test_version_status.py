"""A version's status by the ledger's entries, and which version is older."""

from pathlib import Path
from typing import Any

import pytest

from tasks.core.errors import DecisionRefused
from tasks.registry.ledger import Entry, append_entry, read_ledger
from tasks.registry.version_status import (
    is_older,
    is_open,
    list_champions,
    refuse_closed,
    refuse_rollback,
)
from tasks.storage.store import open_store

JANUARY, FEBRUARY, MARCH = (f"20140{month}01T000000Z-abc" for month in (1, 2, 3))


def test_versions_without_times_are_never_older() -> None:
    assert is_older(JANUARY, FEBRUARY)
    assert not is_older(FEBRUARY, JANUARY)
    assert not is_older("20140101T000000Z-aaa", "20140101T000000Z-bbb")
    assert not is_older("0123456789", "abcdef0123")


def write(root: Path, *decided: tuple[Any, str]) -> list[Entry]:
    store = open_store(str(root))
    for action, version in decided:
        append_entry(
            store, "m", action=action, version=version, manifest="", approver="Ada", reason="so"
        )
    return read_ledger(store, "m")


def test_champions_are_listed_back_to_the_first(tmp_path: Path) -> None:
    released = [("release", version) for version in (JANUARY, FEBRUARY, MARCH)]
    ledger = write(tmp_path, *released, ("rollback", JANUARY))
    assert list_champions(ledger[:3]) == [JANUARY, FEBRUARY, MARCH]
    assert list_champions(ledger) == [JANUARY]


def test_released_rejected_and_outdated_versions_are_closed(tmp_path: Path) -> None:
    ledger = write(tmp_path, ("reject", MARCH), ("release", FEBRUARY))
    for version, said in (
        (FEBRUARY, "was released already"),
        (MARCH, "was rejected by Ada: so"),
        (JANUARY, "is older than the champion"),
    ):
        assert not is_open(ledger, "m", version)
        with pytest.raises(DecisionRefused, match=said):
            refuse_closed(ledger, "m", version)
    assert is_open(ledger, "m", "20150101T000000Z-abc")


def test_only_an_earlier_champion_can_be_rolled_back_to(tmp_path: Path) -> None:
    ledger = write(tmp_path, ("release", JANUARY), ("release", FEBRUARY))
    assert refuse_rollback(ledger, "m", JANUARY) == ledger[0]
    with pytest.raises(DecisionRefused, match="is the champion already"):
        refuse_rollback(ledger, "m", FEBRUARY)
    with pytest.raises(DecisionRefused, match="was never released"):
        refuse_rollback(ledger, "m", MARCH)
