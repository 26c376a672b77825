"""The ledger holds what was decided: any decisions verify, and any one changed byte is found."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import StoreError
from tasks.ledger import Entry, append_entry, read_ledger
from tasks.registry import find_released, publish
from tasks.store import Store, open_store

WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
DECISIONS = st.fixed_dictionaries(
    {
        "action": st.sampled_from(["approve", "reject", "release", "rollback"]),
        "version": st.sampled_from(["v1", "v2", "v3"]),
        "approver": WORDS,
        "reason": WORDS,
        "override": st.booleans(),
        "bento": st.sampled_from(["", "m:v1"]),
    }
)


@contextmanager
def temporary_store() -> Iterator[tuple[Store, Path]]:
    with TemporaryDirectory() as folder:
        yield open_store(folder), Path(folder) / "models" / "m" / "ledger"


def decide(store: Store, decision: dict[str, Any], manifest: str = "0" * 64) -> Entry:
    return append_entry(store, "m", manifest=manifest, **decision)


@given(st.lists(DECISIONS, max_size=8))
def test_any_decisions_are_read_back_in_one_chain(decisions: list[dict[str, Any]]) -> None:
    with temporary_store() as (store, _):
        written = [decide(store, decision) for decision in decisions]
        assert read_ledger(store, "m") == written
    for entry, decision in zip(written, decisions, strict=True):
        assert decision.items() <= entry.model_dump().items()
    assert [entry.previous for entry in written] == ["", *(each.digest for each in written)][:-1]


@given(st.lists(DECISIONS, min_size=1, max_size=4), st.data())
def test_any_one_changed_byte_is_found_and_its_entry_named(
    decisions: list[dict[str, Any]], data: st.DataObject
) -> None:
    with temporary_store() as (store, ledger):
        for decision in decisions:
            decide(store, decision)
        for _ in range(20):
            path = data.draw(st.sampled_from(sorted(ledger.iterdir())))
            sound = path.read_bytes()
            place = data.draw(st.integers(0, len(sound) - 1))
            changed = sound[place] ^ data.draw(st.integers(1, 255))
            path.write_bytes(sound[:place] + bytes([changed]) + sound[place + 1 :])
            with pytest.raises(StoreError, match=f"/{path.name}: (was changed|is damaged)"):
                read_ledger(store, "m")
            path.write_bytes(sound)


@given(st.lists(DECISIONS, max_size=8))
def test_champion_is_the_last_one_released_and_approved(decisions: list[dict[str, Any]]) -> None:
    with temporary_store() as (store, _):
        manifests = {}
        for version in ("v1", "v2", "v3"):
            made = Path(store.root) / "made"
            made.mkdir()
            (made / "model.txt").write_text(version)
            manifests[version] = publish(store, made, f"models/m/{version}").digest
        for decision in decisions:
            decide(store, decision, manifests[decision["version"]])
        ledger = read_ledger(store, "m")
        released = [each.version for each in ledger if each.action in ("release", "rollback")]
        approved = {each.version for each in ledger if each.action == "approve"}
        if released and released[-1] not in approved:
            with pytest.raises(StoreError, match=f"makes {released[-1]} the champion"):
                find_released(store, "m", ledger)
            return
        champion = find_released(store, "m", ledger)
        assert (champion.version if champion else None) == (released or [None])[-1]
