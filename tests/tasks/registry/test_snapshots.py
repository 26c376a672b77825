"""Snapshots are read back as they were published, or refused."""

from pathlib import Path

import pytest

from tasks.core.errors import StoreError
from tasks.registry.snapshots import fetch_snapshot
from tasks.registry.versions import Published, publish
from tasks.storage.store import Store, open_store


def put_snapshot(store: Store, folder: Path) -> Published:
    folder.mkdir()
    for name, text in (("part-0", "rows"), ("part-1", "more")):
        (folder / name).write_text(text)
    return publish(store, folder, "snapshots/d1")


@pytest.mark.parametrize("harm", ["change", "remove"])
def test_snapshot_is_given_whole_or_not_at_all(tmp_path: Path, harm: str) -> None:
    store = open_store(str(tmp_path / "root"))
    snapshot = put_snapshot(store, tmp_path / "made")
    folder = tmp_path / "root" / "snapshots" / "d1"
    assert fetch_snapshot(store, snapshot, tmp_path) == [folder / "part-0", folder / "part-1"]
    if harm == "change":
        (folder / "part-1").write_text("others")
    else:
        (folder / "part-1").unlink()
    with pytest.raises(StoreError) as refusal:
        fetch_snapshot(store, snapshot, tmp_path)
    assert str(refusal.value) == (
        f"{folder}/part-1: was changed after it was published; remove {folder} to have it "
        "extracted again"
    )


@pytest.mark.parametrize("kind", ["folder", "bucket"])
def test_changed_snapshot_is_refused_with_the_way_out(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    place = str(tmp_path) if kind == "folder" else request.getfixturevalue("bucket")
    store = open_store(f"{place}/root")
    snapshot = put_snapshot(store, tmp_path / "made")
    parts = fetch_snapshot(store, snapshot, tmp_path / "a")
    assert [part.read_text() for part in parts] == ["rows", "more"]
    other = snapshot.manifest.model_copy(update={"files": {"part-0": "0" * 64}})
    changed = snapshot.model_copy(update={"manifest": other})
    with pytest.raises(
        StoreError, match=r"was changed .*; remove .*snapshots/d1 to have it extracted"
    ):
        fetch_snapshot(store, changed, tmp_path / "b")
