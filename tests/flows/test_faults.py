"""The whole retrain command where a disk or a bucket fails it: one line, and nothing half done."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from faults import small_disk

from flows import cli
from tasks.registry.ledger import append_entry
from tasks.registry.versions import find_version
from tasks.storage.store import open_store

Retrain = Callable[..., tuple[int, str]]


@pytest.fixture
def retrain(
    project: Path,
    prefect_harness: None,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> Retrain:
    """Run the command, and give its exit code with its error, or else the version."""

    def run(*words: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["perennial", "retrain", "flight-delay", "--json", *words])
        capfd.readouterr()
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        printed = json.loads(capfd.readouterr().out)
        return int(stopped.value.code or 0), printed.get("error") or printed["version"]

    return run


def test_disk_that_fills_up_anywhere_is_told_and_room_mends_it(
    retrained: dict[str, Any], retrain: Retrain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with small_disk(tmp_path / "disk", "4m") as disk:
        monkeypatch.setenv("PERENNIAL_ROOT", str(disk / "root"))
        ran_out = set()
        for room in (8, 450, 1000):
            (disk / "ballast").write_bytes(b"0" * (free_bytes(disk) - room * 1024))
            code, error = retrain()
            where, said = error.split(": ", 1)
            assert (code, said) == (1, "the disk is full; free some room and run again")
            assert {each.name for each in disk.rglob("*") if each.is_file()} == {"ballast", "lock"}
            ran_out.add(Path(where).name)
            (disk / "ballast").unlink()
        assert len(ran_out) == 3
        assert retrain() == (0, retrained["version"])


def test_root_that_cannot_be_written_is_told_before_any_work(
    retrain: Retrain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PERENNIAL_ROOT", str(tmp_path / "file" / "root"))
    code, error = retrain()
    assert code == 2
    assert error.startswith(f"{tmp_path / 'file'}: is a file")
    with small_disk(tmp_path / "disk", "4m") as disk:
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        monkeypatch.setenv("PERENNIAL_ROOT", str(disk))
        assert retrain() == (2, f"{disk}: Read-only file system")


def test_champion_whose_model_was_changed_is_refused(retrain: Retrain, tmp_path: Path) -> None:
    code, version = retrain("--as-of", "2013-07-15")
    store = open_store()
    champion = find_version(store, "flight-delay", version)
    assert code == 0
    assert champion is not None
    said = {"version": version, "manifest": champion.digest, "approver": "Ada", "reason": ""}
    for action in ("approve", "release"):
        append_entry(store, "flight-delay", action=action, **said)
    files = tmp_path / "root" / champion.path
    for name in ("model.txt", "twin.txt"):
        (files / name).write_text(
            (files / name).read_text().replace("num_leaves=7", "num_leaves=6")
        )
    code, error = retrain()
    assert code == 2
    assert "was changed after it was published" in error
    assert list((tmp_path / "root" / "tmp").iterdir()) == [tmp_path / "root" / "tmp" / "lock"]


def free_bytes(disk: Path) -> int:
    room = os.statvfs(disk)
    return room.f_bavail * room.f_frsize
