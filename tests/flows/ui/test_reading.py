"""What cannot change is read once; what can is read again."""

from pathlib import Path
from typing import Any

import pytest
from judged import MODEL, NEW, OLD
from looks import keep_looks

from flows.ui import reading
from flows.ui.reading import Reader
from tasks.core.errors import StoreError
from tasks.registry.ledger import append_entry
from tasks.registry.versions import Published
from tasks.storage.store import Store


def test_versions_and_looks_are_read_once(
    store: Store, candidates: tuple[Published, Published], tmp_path: Path
) -> None:
    reader, looks = Reader(store), keep_looks(store, MODEL, OLD, 2)
    names = [each.name for each in looks]
    assert reader.looks(MODEL, names) == looks
    found = reader.summaries(candidates)
    assert [each["version"] for each in found] == [OLD, NEW]
    for path in [*(tmp_path / "root").rglob("looks/*"), *(tmp_path / "root").rglob("verdict.json")]:
        path.unlink()
    assert reader.looks(MODEL, [*names[::-1], "gone"]) == looks[::-1]
    assert reader.summaries(candidates) == found


def test_memory_is_bounded_and_answers_stay_whole(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_KEPT", {"look": 2})
    reader, looks = Reader(store), keep_looks(store, MODEL, OLD, 5)
    for _ in range(2):
        assert reader.looks(MODEL, [each.name for each in looks]) == looks
    assert [len(each) for each in reader._kept.values()] == [2]


def test_ledger_that_grew_or_was_cut_or_changed_at_its_end_is_read_again(
    store: Store, crowned: Published, tmp_path: Path
) -> None:
    reader = Reader(store)
    assert len(reader.ledger(MODEL)) == 2
    said: Any = {"version": NEW, "manifest": "m", "approver": "Ada", "reason": ""}
    append_entry(store, MODEL, action="reject", **said)
    assert len(reader.ledger(MODEL)) == 3
    newest = tmp_path / "root" / "models" / MODEL / "ledger" / "000003.json"
    kept = newest.read_bytes()
    newest.write_bytes(kept.replace(b"Ada", b"Bob"))
    with pytest.raises(StoreError, match="was changed after it was recorded"):
        reader.ledger(MODEL)
    newest.unlink()
    assert len(reader.ledger(MODEL)) == 2


def test_version_that_was_removed_is_listed_no_more(
    store: Store, candidates: tuple[Published, Published]
) -> None:
    reader = Reader(store)
    assert list(reader.versions(MODEL)) == [OLD, NEW]
    store.remove(candidates[0].path)
    assert list(reader.versions(MODEL)) == [NEW]


def test_definition_that_changes_is_read_again(store: Store) -> None:
    reader, file = Reader(store), Path("deployments", "churn.toml")
    assert reader.definition("churn") is None
    file.parent.mkdir()
    text = 'name = "churn"\ndescription = "{}"\n[sources]\ns = "s.csv"\n[target]\n'
    text += 'value = "y"\nkind = "binary"\n'
    for said in ("one", "another"):
        file.write_text(text.format(said))
        definition = reader.definition("churn")
        assert definition is not None
        assert definition.description == said
    assert reader.models() == ["churn"]
    Path("deployments", "No Model.toml").touch()
    assert reader.models() == ["churn"]
