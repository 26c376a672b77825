"""The ledger holds what was decided: any decisions verify, and any one changed byte is found."""

import os
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.core.errors import StoreError
from tasks.registry.ledger import Entry, append_entry, name_os_user, read_ledger
from tasks.registry.versions import find_released, publish
from tasks.storage.store import Store, open_store, work_folder

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


def decide(store: Store, decision: dict[str, Any], manifest: str = "0" * 64) -> Entry:
    return append_entry(store, "m", manifest=manifest, **decision)


@settings(max_examples=12)
@given(st.lists(DECISIONS, max_size=8))
def test_any_decisions_are_read_back_in_one_chain(decisions: list[dict[str, Any]]) -> None:
    with TemporaryDirectory() as folder:
        store = open_store(folder)
        written = [decide(store, decision) for decision in decisions]
        assert read_ledger(store, "m") == written
    for entry, decision in zip(written, decisions, strict=True):
        assert decision.items() <= entry.model_dump().items()
    assert [entry.previous for entry in written] == ["", *(each.digest for each in written)][:-1]


def test_any_one_changed_byte_is_found_and_its_entry_named(tmp_path: Path) -> None:
    store, random = open_store(str(tmp_path)), Random(1)
    for action in ("approve", "release"):
        append_entry(
            store,
            "m",
            action=action,
            version="v1",
            manifest="0" * 64,
            approver="Adèle",
            reason="\t",
        )
    for path in sorted((tmp_path / "models" / "m" / "ledger").iterdir()):
        sound = path.read_bytes()
        for place in range(len(sound)):
            changed = bytearray(sound)
            changed[place] ^= random.randint(1, 255)
            path.write_bytes(changed)
            with pytest.raises(StoreError, match=f"/{path.name}: (was changed|is damaged)"):
                read_ledger(store, "m")
        path.write_bytes(sound)
    assert len(read_ledger(store, "m")) == 2


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, dict[str, str]]:
    """Publish three versions, and give the digest of each one's manifest."""
    store, made = open_store(str(tmp_path_factory.mktemp("root"))), {}
    for version in ("v1", "v2", "v3"):
        with work_folder(store) as folder:
            (folder / "made").mkdir()
            (folder / "made" / "model.txt").write_text(version)
            made[version] = publish(store, folder / "made", f"models/m/{version}").digest
    return store, made


@settings(max_examples=12)
@given(decisions=st.lists(DECISIONS, max_size=8))
def test_champion_is_the_last_one_released_and_approved(
    versions: tuple[Store, dict[str, str]], decisions: list[dict[str, Any]]
) -> None:
    store, manifests = versions
    with TemporaryDirectory() as folder:
        other = open_store(folder)
        ledger = [decide(other, each, manifests[each["version"]]) for each in decisions]
    released = [each.version for each in ledger if each.action in ("release", "rollback")]
    approved = {each.version for each in ledger if each.action == "approve"}
    if released and released[-1] not in approved:
        with pytest.raises(StoreError, match=f"makes {released[-1]} the champion"):
            find_released(store, "m", ledger)
        return
    champion = find_released(store, "m", ledger)
    assert (champion.version if champion else None) == (released or [None])[-1]


def test_user_without_a_name_here_is_known_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 54321)
    assert name_os_user() == "54321"
