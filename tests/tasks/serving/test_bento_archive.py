"""A bento is unpacked whole or not at all, whoever else does so meanwhile."""

import shutil
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tasks.core.errors import DecisionRefused
from tasks.registry.released_bento import find_bento
from tasks.serving.bento_archive import (
    bento_tag,
    describe_proofs,
    offer_bento,
    place_bento,
    publish_bento,
    read_bill,
    read_proof,
    unpack,
)
from tasks.storage.store import Store, open_store

if TYPE_CHECKING:
    from conftest import Released

MODEL = "flight-delay"


def test_offer_that_was_killed_is_finished_and_its_half_cleared_away(
    released: "Released", store: Store, tmp_path: Path
) -> None:
    bento, tag = find_bento(store, MODEL, released.older), bento_tag(MODEL, released.older)
    assert bento is not None
    placed = place_bento(store, bento, tag, tmp_path)
    latest, half = placed.parent / "latest", tmp_path / "tmp" / "run-killed"
    latest.write_text("")
    shutil.move(placed, half)
    half.with_suffix(".lock").touch()
    for _ in range(2):
        assert place_bento(store, bento, tag, tmp_path) == placed
        assert latest.read_text() == placed.name
        assert [each.name for each in (tmp_path / "tmp").iterdir()] == ["lock"]
        latest.write_text("")


def test_bento_is_placed_by_several_at_once(
    released: "Released", store: Store, tmp_path: Path
) -> None:
    bento, tag = find_bento(store, MODEL, released.older), bento_tag(MODEL, released.older)
    assert bento is not None
    with ThreadPoolExecutor(8) as pool:
        placed = set(pool.map(lambda _: place_bento(store, bento, tag, tmp_path), range(8)))
    assert placed == {tmp_path / "bentos" / tag.replace(":", "/")}
    assert [each.name for each in (tmp_path / "tmp").iterdir()] == ["lock"]


def test_of_two_releases_of_one_bento_the_first_is_kept(
    released: "Released", store: Store, tmp_path: Path
) -> None:
    first = find_bento(store, MODEL, released.older)
    assert first is not None
    home, tag = tmp_path / "home", bento_tag(MODEL, released.older)
    placed = place_bento(store, first, tag, home)
    assert place_bento(store, first, tag, home) == placed
    (tmp_path / "work").mkdir()
    assert publish_bento(store, placed, read_proof(store, first), tmp_path / "work") is None
    assert find_bento(store, MODEL, released.older) == first


def test_bento_that_another_process_unpacks_meanwhile_is_the_same(
    released: "Released", store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, tag = find_bento(store, MODEL, released.older), bento_tag(MODEL, released.older)
    assert first is not None

    def be_second(archive: tarfile.TarFile, path: Path, **given: str) -> None:
        (tmp_path / "bentos" / tag.replace(":", "/")).mkdir(parents=True)
        path.mkdir(parents=True)
        (path / "file").write_text("")

    monkeypatch.setattr(tarfile.TarFile, "extractall", be_second)
    monkeypatch.setattr(Path, "rename", refuse_rename)
    assert place_bento(store, first, tag, tmp_path).is_dir()
    assert [each.name for each in (tmp_path / "tmp").iterdir()] == ["lock"]


def refuse_rename(self: Path, target: Path) -> Path:
    raise FileExistsError(target)


def test_home_that_cannot_be_written_costs_no_release(
    released: "Released",
    store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    first = find_bento(store, MODEL, released.older)
    assert first is not None
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "file"))
    offer_bento(store, MODEL, released.older, first)
    assert f"{bento_tag(MODEL, released.older)} is not in {tmp_path}/file: " in caplog.text


def test_bento_that_cannot_be_put_in_its_place_is_no_bento(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    with tarfile.open(tmp_path / "bento.tar", "w") as archive:
        archive.add(tmp_path / "file", "bento.yaml")
    monkeypatch.setattr(Path, "rename", refuse_rename)
    with pytest.raises(OSError, match="there"):
        unpack((tmp_path / "bento.tar").read_bytes(), tmp_path / "draft", tmp_path / "there")


def test_proof_that_is_gone_is_left_out(
    released: "Released", store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    assert set(describe_proofs(store, MODEL)) == {released.older}
    shutil.rmtree(released.root / "bentos")
    assert describe_proofs(store, MODEL) == {}
    assert released.older in caplog.text


def test_version_without_a_bento_has_no_bill_yet(released: "Released") -> None:
    with pytest.raises(DecisionRefused, match="has no bento yet; approve it first"):
        read_bill(open_store(), MODEL, released.newer)
