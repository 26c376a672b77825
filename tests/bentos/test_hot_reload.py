"""A server follows the ledger without a wrong or lost answer, and keeps the last good model."""

import shutil
import threading
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from servers import MODEL, Served, Versions, alter, counted, serving, wait_for

from bentos import hot_reload
from bentos.hot_reload import HotReload
from bentos.metrics import Metrics
from bentos.model import Model, load_folder
from tasks.registry.versions import MANIFEST
from tasks.storage.store import open_store

Question = dict[str, Any]


def predictions(versions: Versions, version: str, count: int) -> list[float]:
    model = load_folder(versions.folder(version))
    rows = versions.rows.head(count).select(list(model.features.columns))
    matrix = model.encode_frame(rows)
    return list(model.predictor.predict(matrix).tolist())


def serves(served: Served, version: str) -> bool:
    answer = httpx.get(f"{served.url}/readyz", trust_env=False)
    return bool(answer.json()["version"] == version)


def ask_on(
    served: Served,
    questions: list[Question],
    known: dict[str, list[float]],
    stop: threading.Event,
    seen: list[str],
) -> None:
    """Ask until told to stop; note each answer's version, or what is wrong with the answer."""
    with served.client() as client:
        while not stop.is_set():
            for place, question in enumerate(questions):
                answer = client.post("/predict", json=question)
                given = answer.json() if answer.is_success else {"version": answer.text}
                right = given.get("prediction") == known.get(given["version"], [None] * 99)[place]
                seen.append(given["version"] if right else f"wrong: {given}")


def test_releases_are_followed_under_load_and_a_broken_one_is_not(
    versions: Versions, questions: list[Question], tmp_path: Path
) -> None:
    root = tmp_path / "root"
    shutil.copytree(versions.root / "models", root / "models")
    known = {each: predictions(versions, each, 20) for each in (versions.first, versions.second)}
    assert not np.array_equal(*known.values())
    versions.release(versions.first, root)
    settings = {"PERENNIAL_ROOT": str(root), "PERENNIAL_FOLLOW": MODEL}
    with serving(tmp_path / "server", versions.folder(versions.second), **settings) as served:
        assert serves(served, versions.first)
        stop, seen = threading.Event(), list[str]()
        work = (served, questions[:20], known, stop, seen)
        threads = [threading.Thread(target=ask_on, args=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        versions.release(versions.second, root)
        wait_for(lambda: serves(served, versions.second))
        broken = root / "models" / MODEL / versions.first / "model.txt"
        broken.write_text(broken.read_text().replace("leaf_value=", "leaf_value=9", 1))
        versions.release(versions.first, root)
        wait_for(lambda: httpx.get(f"{served.url}/readyz", trust_env=False).json()["problem"])
        stop.set()
        for thread in threads:
            thread.join()
        assert set(seen) == {versions.first, versions.second}
        assert serves(served, versions.second)
        with served.client() as client:
            assert counted(client, 'follow_total{result="failed"}') >= 1
        (line,) = [each for each in served.output.read_text().splitlines() if "goes on" in each]
        assert "was changed after it was published" in line


def test_a_broken_champion_at_the_start_leaves_the_model_of_the_bento(
    versions: Versions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hot_reload.log, "error", lambda *parts: None)
    root = tmp_path / "root"
    shutil.copytree(versions.root / "models", root / "models")
    versions.release(versions.first, root)
    (root / "models" / MODEL / versions.first / MANIFEST).unlink()
    swapped: list[Model] = []
    follower = HotReload(MODEL, open_store(str(root)), Metrics(), swapped.append)
    follower.start(load_folder(versions.folder(versions.second)))
    follower.stop()
    assert not swapped
    assert "restore its files or roll back" in follower.problem


def test_a_champion_is_known_by_its_files_and_not_by_its_name(
    versions: Versions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bento of other files under the champion's name was left to answer."""
    monkeypatch.setattr(hot_reload, "_POLL_SECONDS", 3600.0)
    root, swapped = tmp_path / "root", list[Model]()
    shutil.copytree(versions.root / "models", root / "models")
    versions.release(versions.first, root)
    other = load_folder(
        alter(versions.folder(versions.first), tmp_path / "other", "threshold = 0.9")
    )
    assert other.version == versions.first
    follower = HotReload(MODEL, open_store(str(root)), Metrics(), swapped.append)
    follower.start(other)
    follower.look()
    follower.stop()
    assert [each.definition.threshold for each in swapped] == [0.5]


def test_a_champion_that_nobody_proved_is_not_taken_up(
    versions: Versions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hot_reload.log, "error", lambda *parts: None)
    monkeypatch.setattr(hot_reload, "_POLL_SECONDS", 3600.0)
    root, swapped = tmp_path / "root", list[Model]()
    shutil.copytree(versions.root / "models", root / "models")
    versions.release(versions.first, root)
    shutil.rmtree(root / "bentos")
    follower = HotReload(MODEL, open_store(str(root)), Metrics(), swapped.append)
    follower.start(load_folder(versions.folder(versions.second)))
    follower.stop()
    assert not swapped
    assert f"the bento of {versions.first} is not what was released" in follower.problem


def test_a_champion_is_taken_up_once_and_what_is_wrong_said_once(
    versions: Versions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[object] = []
    monkeypatch.setattr(hot_reload.log, "error", lambda *parts: said.append(parts))
    monkeypatch.setattr(hot_reload, "_RETRY_SECONDS", 0.0)
    monkeypatch.setattr(hot_reload, "_POLL_SECONDS", 3600.0)
    root, swapped, metrics = tmp_path / "root", list[Model](), Metrics()
    shutil.copytree(versions.root / "models", root / "models")
    follower = HotReload(MODEL, open_store(str(root)), metrics, swapped.append)
    follower.start(load_folder(versions.folder(versions.second)))
    follower.look()
    versions.release(versions.first, root)
    for _ in range(2):
        follower.look()
    versions.release(versions.first, root)
    follower.look()
    assert [model.version for model in swapped] == [versions.first]
    (root / "models" / MODEL / versions.second / MANIFEST).write_text("torn")
    entries = root / "models" / MODEL / "ledger"
    (entries / "000005.json").write_bytes((entries / "000001.json").read_bytes())
    for _ in range(2):
        follower.look()
    follower.stop()
    assert len(said) == 1
    assert metrics.followed["failed"] == 2


def test_forged_and_shortened_ledgers_are_not_followed(
    versions: Versions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hot_reload.log, "error", lambda *parts: None)
    monkeypatch.setattr(hot_reload, "_POLL_SECONDS", 3600.0)
    root, swapped = tmp_path / "root", list[Model]()
    shutil.copytree(versions.root / "models", root / "models")
    versions.release(versions.first, root)
    versions.release(versions.second, root)
    follower = HotReload(MODEL, open_store(str(root)), Metrics(), swapped.append)
    follower.start(load_folder(versions.folder(versions.second)))
    for number in (3, 4):
        (root / "models" / MODEL / "ledger" / f"{number:06d}.json").unlink()
    follower.look()
    assert "had 4 entries when this machine last looked" in follower.problem
    signers = tmp_path / "approvers"
    signers.touch()
    monkeypatch.setenv("PERENNIAL_SIGNERS", str(signers))
    versions.release(versions.first, root)
    follower.look()
    follower.stop()
    assert "is not signed" in follower.problem
    assert not swapped
