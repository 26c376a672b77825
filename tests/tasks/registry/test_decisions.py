"""Decisions: which are open, who wins when two come at once, and the chain that keeps them."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tasks.core.errors import DecisionRefused, DefinitionError, PerennialError, StoreError
from tasks.registry.decisions import (
    Decision,
    check_decision,
    record,
    record_release,
    refuse_beforehand,
)
from tasks.registry.ledger import read_ledger
from tasks.registry.task import decide
from tasks.registry.version_status import previous_champion
from tasks.registry.versions import Published, find_champion, publish, version_path
from tasks.storage.folder import FolderStore

JANUARY, FEBRUARY, MARCH = (f"20140{month}01T000000Z-abc" for month in (1, 2, 3))


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(str(tmp_path / "root"))


def put(store: FolderStore, tmp_path: Path, version: str, passed: bool = True) -> Published:
    """Publish a version of which only the verdict matters here."""
    folder = tmp_path / version
    folder.mkdir()
    (folder / "verdict.json").write_text(json.dumps({"passed": passed}))
    return publish(store, folder, version_path("m", version))


def ask(version: str, action: str = "approve", **given: object) -> Decision:
    asked = {"model": "m", "version": version, "action": action, "approver": "Ada", "reason": "so"}
    return Decision.model_validate(asked | given)


def release(store: FolderStore, published: Published) -> None:
    approval = record(store, ask(published.path.rpartition("/")[2]), published)
    record_release(store, approval, "m", "bento-digest")


def test_release_names_the_champion_and_binds_its_digest(
    store: FolderStore, tmp_path: Path
) -> None:
    published = put(store, tmp_path, JANUARY)
    release(store, published)
    approve, promoted = read_ledger(store, "m")
    assert (approve.action, promoted.action) == ("approve", "release")
    assert approve.manifest == promoted.manifest == published.digest
    assert (promoted.approver, promoted.reason, promoted.bento) == ("Ada", "so", "bento-digest")
    assert approve.os_user
    assert find_champion(store, "m") == published


def test_approving_again_before_the_release_is_the_same_approval(
    store: FolderStore, tmp_path: Path
) -> None:
    published = put(store, tmp_path, JANUARY)
    first = record(store, ask(JANUARY), published)
    assert record(store, ask(JANUARY, approver="Bob"), published) == first
    assert len(read_ledger(store, "m")) == 1


@pytest.mark.parametrize(
    ("approver", "reason", "said"),
    [
        ("Ada\x1b[2J", "so", r"^--as 'Ada\\x1b\[2J': a name is one line"),
        ("Ada\nEve", "so", "a name is one line"),
        ("Ada \u202eevE", "so", "a name is one line"),
        ("Ada\udcff", "so", "a name is one line"),
        ("Ada", "fine\x9b31m", r"^--reason 'fine\\x9b31m': holds control characters"),
        ("Ada", "fine\udcff", "holds control characters"),
    ],
    ids=ascii,  # a surrogate in a test's name cannot be told to another process
)
def test_words_that_steer_a_terminal_are_refused(
    store: FolderStore, approver: str, reason: str, said: str
) -> None:
    with pytest.raises(DefinitionError, match=said):
        decide.fn(store.root, ask(JANUARY, approver=approver, reason=reason))
    assert read_ledger(store, "m") == []
    check_decision(ask(JANUARY, approver="Адель Ó'Hara", reason="two\nlines 👍"))


def test_refused_candidate_takes_an_override_with_a_reason(
    store: FolderStore, tmp_path: Path
) -> None:
    published = put(store, tmp_path, JANUARY, passed=False)
    with pytest.raises(DecisionRefused, match="--override"):
        record(store, ask(JANUARY), published)
    with pytest.raises(DefinitionError, match="reason"):
        check_decision(ask(JANUARY, override=True, reason=" "))
    assert record(store, ask(JANUARY, override=True), published).override


def test_decision_needs_a_name() -> None:
    with pytest.raises(DefinitionError, match="--as NAME"):
        check_decision(ask(JANUARY, approver="  "))


def test_closed_versions_are_refused(store: FolderStore, tmp_path: Path) -> None:
    older, champion, rejected = (
        put(store, tmp_path, version) for version in (JANUARY, FEBRUARY, MARCH)
    )
    release(store, champion)
    record(store, ask(MARCH, "reject", reason="no weather"), rejected)
    for published, said in (
        (older, "older than the champion"),
        (champion, "was released already"),
        (rejected, "was rejected by Ada: no weather"),
    ):
        version = published.path.rpartition("/")[2]
        for asked in (ask(version), ask(version, "reject")):
            with pytest.raises(DecisionRefused, match=said):
                record(store, asked, published)
            with pytest.raises(DecisionRefused, match=said):
                refuse_beforehand(store, asked)


def test_rolling_back_leads_through_the_champions_before(
    store: FolderStore, tmp_path: Path
) -> None:
    made = {each: put(store, tmp_path, each) for each in (JANUARY, FEBRUARY, MARCH)}
    for published in made.values():
        release(store, published)
    for expected in (FEBRUARY, JANUARY):
        assert previous_champion(store, "m") == expected
        record(store, ask(expected, "rollback"), made[expected])
        assert find_champion(store, "m") == made[expected]
    with pytest.raises(DecisionRefused, match="no earlier champion"):
        previous_champion(store, "m")
    record(store, ask(MARCH, "rollback"), made[MARCH])
    assert previous_champion(store, "m") == JANUARY


def test_rolling_back_to_what_never_was_champion_is_refused(
    store: FolderStore, tmp_path: Path
) -> None:
    january, february = (put(store, tmp_path, version) for version in (JANUARY, FEBRUARY))
    release(store, january)
    with pytest.raises(DecisionRefused, match="never released"):
        record(store, ask(FEBRUARY, "rollback"), february)
    with pytest.raises(DecisionRefused, match="champion already"):
        record(store, ask(JANUARY, "rollback"), january)


def test_of_two_releases_at_once_one_wins(store: FolderStore, tmp_path: Path) -> None:
    published = put(store, tmp_path, JANUARY)
    approval = record(store, ask(JANUARY), published)

    def promote(_: int) -> str:
        try:
            return record_release(store, approval, "m", "bento").action
        except PerennialError as error:
            return str(error)

    with ThreadPoolExecutor(8) as runs:
        said = list(runs.map(promote, range(8)))
    assert said.count("release") == 1
    assert all("was released already" in each for each in said if each != "release")
    assert [entry.action for entry in read_ledger(store, "m")] == ["approve", "release"]


def test_decisions_at_once_are_all_kept_in_one_chain(store: FolderStore, tmp_path: Path) -> None:
    versions = [f"20140{month}01T000000Z-x" for month in range(1, 9)]
    made = [put(store, tmp_path, version) for version in versions]
    with ThreadPoolExecutor(8) as runs:
        list(runs.map(lambda p: record(store, ask(p.path.rpartition("/")[2]), p), made))
    assert sorted(entry.version for entry in read_ledger(store, "m")) == versions


def test_changed_ledger_entry_breaks_the_chain(store: FolderStore, tmp_path: Path) -> None:
    release(store, put(store, tmp_path, JANUARY))
    entry = Path(store.root, "models", "m", "ledger", "000001.json")
    entry.write_text(entry.read_text().replace("Ada", "Eve"))
    with pytest.raises(StoreError, match="000001"):
        read_ledger(store, "m")


def test_rolling_back_without_a_version_takes_the_champion_before(
    store: FolderStore, tmp_path: Path
) -> None:
    first, second = (put(store, tmp_path, each) for each in (JANUARY, FEBRUARY))
    release(store, first)
    release(store, second)
    decide.fn(store.root, ask("", "rollback"))
    assert find_champion(store, "m") == first


def test_rolling_back_to_changed_files_is_refused(store: FolderStore, tmp_path: Path) -> None:
    first, second = (put(store, tmp_path, each) for each in (JANUARY, FEBRUARY))
    release(store, first)
    release(store, second)
    changed = first.model_copy(update={"digest": "another"})
    with pytest.raises(StoreError, match=f"m: {JANUARY} is not what was released; restore its"):
        record(store, ask(JANUARY, "rollback"), changed)
