"""Which versions are compared where not both are named."""

from typing import Any

import pytest
from judged import MODEL, NEW, OLD, put

from tasks.comparison.version_pair import choose_pair
from tasks.core.errors import DefinitionError
from tasks.registry.ledger import append_entry
from tasks.storage.store import Store, open_store

FIRST, LAST = "20120101T000000Z-0000000000", "20300101T000000Z-1111111111"


@pytest.fixture
def store(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PERENNIAL_ROOT", str(tmp_path / "root"))
    return open_store()


def crown(store: Store, version: str) -> None:
    manifest = choose_pair(store, MODEL, version, version)[0].digest
    said: Any = {"version": version, "manifest": manifest, "approver": "Ada", "reason": ""}
    for action in ("approve", "release"):
        append_entry(store, MODEL, action=action, **said)  # type: ignore[arg-type]


def pair(store: Store, *named: str) -> list[str]:
    return [each.version for each in choose_pair(store, MODEL, *named)]


def test_without_names_it_is_the_champion_and_what_waits_or_the_champion_before(
    store: Store,
) -> None:
    for version in (FIRST, OLD, NEW):
        put(store, version)
    assert pair(store) == [OLD, NEW]  # nothing is released: the two newest
    crown(store, FIRST)
    assert pair(store) == [FIRST, NEW]
    crown(store, NEW)
    assert pair(store) == [FIRST, NEW]
    put(store, LAST)
    assert pair(store) == [NEW, LAST]


def test_one_name_is_set_against_the_champion_and_the_champion_against_what_waits(
    store: Store,
) -> None:
    for version in (FIRST, OLD, NEW):
        put(store, version)
    assert pair(store, OLD) == [OLD, NEW]
    crown(store, OLD)
    assert pair(store, FIRST) == [FIRST, OLD]
    assert pair(store, NEW[:6]) == [OLD, NEW]
    assert pair(store, OLD) == [OLD, NEW]
    assert pair(store, NEW, FIRST) == [NEW, FIRST]


def test_what_is_not_there_is_refused(store: Store) -> None:
    with pytest.raises(DefinitionError, match="has no version yet"):
        choose_pair(store, MODEL)
    put(store, OLD)
    for named in ((), (OLD,)):
        with pytest.raises(DefinitionError, match="has no other version to compare with"):
            choose_pair(store, MODEL, *named)
    with pytest.raises(DefinitionError, match="version 'none' does not exist"):
        choose_pair(store, MODEL, OLD, "none")
