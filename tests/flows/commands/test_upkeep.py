"""Prune shows what would go, and removes it only when told to."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def stale(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a root whose only content is a snapshot that no version was made of."""
    from tasks.registry.versions import publish
    from tasks.storage.store import open_store

    (project / "made").mkdir()
    (project / "made" / "part").write_text("rows")
    publish(open_store(), project / "made", "snapshots/0123")
    return Path(open_store().root, "snapshots", "0123")


def test_dry_run_is_the_default_and_yes_removes(stale: Path, run: Run) -> None:
    code, out, _ = run("prune", "--older-than", "0m")
    assert code == 0
    assert "snapshot snapshots/0123: no version that stays was made of it" in out
    assert "would be freed; --yes removes it" in out
    assert stale.is_dir()
    said = json.loads(run("prune", "--older-than", "0m", "--yes", "--json")[1])
    assert (said["removed"], said["left"]) == (True, 0)
    assert said["kinds"]["snapshot"] == {"count": 1, "bytes": said["bytes"]}
    assert not stale.exists()
    assert "nothing to remove" in run("prune")[1]


def test_what_is_young_stays_and_no_duration_is_told(stale: Path, run: Run) -> None:
    assert json.loads(run("prune", "--yes", "--json")[1])["items"] == []
    assert stale.is_dir()
    code, _, errors = run("prune", "--older-than", "soon")
    assert code == 2
    assert "--older-than 'soon': must be a number and m, h, d or w" in errors


@pytest.mark.parametrize("key", ["carrier", "=UA", ""])
def test_key_that_is_none_is_refused(run: Run, key: str) -> None:
    code, _, errors = run("forget", "flight-delay", "--key", key)
    assert code == 2
    assert "write COLUMN=VALUE" in errors


def test_forgetting_shows_first_and_writes_nothing(run: Run) -> None:
    words = ("forget", "flight-delay", "--key", "carrier=UA", "--key", "flight=1")
    code, out, _ = run(*words)
    assert code == 0
    assert "0 rows in 0 snapshots, 0 in 0 files of the prediction log" in out
    assert "nothing was removed" in out
    said = json.loads(run(*words, "--json")[1])
    assert (said["removed"], said["record"], said["versions"]) == (False, None, [])
    assert json.loads(run(*words, "--yes", "--json")[1])["record"] == 2
