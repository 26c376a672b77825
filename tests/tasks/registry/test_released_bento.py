"""A released bento is the one that the ledger names, tested for those very files."""

import json
from pathlib import Path

import pytest

from tasks.core.errors import DefinitionError, StoreError
from tasks.registry.ledger import Entry, append_entry
from tasks.registry.released_bento import PROOF, bento_path, find_bento, get_bento
from tasks.registry.versions import Published, publish
from tasks.storage.store import Store, open_store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "root"))


def put_bento(store: Store, folder: Path, manifest: str) -> Published:
    folder.mkdir()
    proof = {"model": "m", "version": "v1", "manifest": manifest}
    (folder / PROOF).write_text(json.dumps(proof))
    return publish(store, folder, bento_path("m", "v1"))


def release(store: Store, bento: str) -> Entry:
    return append_entry(
        store,
        "m",
        action="release",
        version="v1",
        manifest="f00d",
        approver="Ada",
        reason="good",
        bento=bento,
    )


def test_bento_that_the_ledger_names_is_given(store: Store, tmp_path: Path) -> None:
    assert find_bento(store, "m", "v1") is None
    bento = put_bento(store, tmp_path / "made", "f00d")
    assert find_bento(store, "m", "v1") == bento
    assert get_bento(store, "m", release(store, bento.digest)) == bento


def test_bento_that_is_another_one_is_refused(store: Store, tmp_path: Path) -> None:
    entry = release(store, "other")
    with pytest.raises(StoreError, match="the bento of v1 is not what was released"):
        get_bento(store, "m", entry)
    put_bento(store, tmp_path / "made", "f00d")
    with pytest.raises(StoreError, match="the bento of v1 is not what was released"):
        get_bento(store, "m", entry)


def test_bento_that_was_tested_for_other_files_is_refused(store: Store, tmp_path: Path) -> None:
    bento = put_bento(store, tmp_path / "made", "other")
    with pytest.raises(StoreError, match="the bento of v1 was proven for other files"):
        get_bento(store, "m", release(store, bento.digest))


def test_path_of_a_bento_takes_names_only() -> None:
    with pytest.raises(DefinitionError, match="is no name of a version"):
        bento_path("m", "../v1")
