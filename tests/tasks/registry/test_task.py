"""The decision and the promotion, as Prefect's tasks call them."""

import json
from pathlib import Path

import pytest

from tasks.core.errors import DecisionRefused
from tasks.registry.decisions import Decision
from tasks.registry.task import decide, promote
from tasks.registry.versions import Published, find_champion, publish
from tasks.storage.store import Store, open_store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "root"))


def publish_version(store: Store, folder: Path, passed: bool) -> Published:
    folder.mkdir()
    (folder / "verdict.json").write_text(json.dumps({"passed": passed}))
    return publish(store, folder, "models/m/v1")


def approve(version: str) -> Decision:
    return Decision(model="m", version=version, action="approve", approver="Ada", reason="good")


def test_what_was_approved_is_promoted_with_its_bento(store: Store, tmp_path: Path) -> None:
    published = publish_version(store, tmp_path / "made", passed=True)
    approval = decide.fn(store.root, approve("v"))
    assert (approval.version, approval.manifest) == ("v1", published.digest)
    assert find_champion(store, "m") is None
    entry = promote.fn(store.root, "m", approval, published)
    assert (entry.action, entry.bento) == ("release", published.digest)
    assert find_champion(store, "m") == published


def test_refused_version_is_not_approved(store: Store, tmp_path: Path) -> None:
    publish_version(store, tmp_path / "made", passed=False)
    with pytest.raises(DecisionRefused, match="did not pass its gate"):
        decide.fn(store.root, approve("v1"))
