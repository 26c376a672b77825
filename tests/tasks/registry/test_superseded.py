"""What waits although newer data passed is closed by the system, in a chain that all can read."""

from pathlib import Path

import pytest
from judged import MODEL, NEW, NEWEST, OLD, put
from signing import Signers

from tasks.core.errors import DecisionRefused
from tasks.registry.decisions import Decision, record, reject_superseded
from tasks.registry.overview import describe_model
from tasks.registry.superseded import close_superseded, find_superseded
from tasks.registry.trusted_ledger import read_trusted_ledger
from tasks.registry.versions import Published, find_version
from tasks.storage.store import Store, open_store


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return open_store(str(tmp_path / "root"))


@pytest.fixture
def signers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Signers:
    made = Signers(tmp_path / "signers")
    monkeypatch.setenv("PERENNIAL_SIGNING_KEY", str(made.add("Ada")))
    monkeypatch.setenv("PERENNIAL_SIGNERS", str(made.file))
    return made


def waiting(store: Store) -> list[str]:
    found: list[str] = describe_model(store, MODEL)["waiting"]
    return found


def approve(store: Store, version: str) -> None:
    asked = Decision(model=MODEL, version=version, action="approve", approver="Ada", reason="read")
    record(store, asked, found(store, version))


def found(store: Store, version: str) -> Published:
    published = find_version(store, MODEL, version)
    assert published is not None
    return published


def test_candidate_of_older_data_is_rejected_with_the_one_that_supersedes_it(store: Store) -> None:
    for version in (OLD, NEW, NEWEST):
        put(store, version)
    put(store, "20200102T000000Z-refused", passed=False)
    first, second = close_superseded(store, MODEL, NEWEST)
    assert [first.version, second.version] == [OLD, NEW]
    assert (first.action, first.approver) == ("reject", "system")
    assert first.reason == f"superseded by {NEWEST}, which is of newer data and passed its gate"
    assert waiting(store) == [NEWEST]
    assert close_superseded(store, MODEL, NEWEST) == []
    assert len(read_trusted_ledger(store, MODEL)) == 2


def test_newer_candidate_and_one_of_the_same_data_go_on_waiting(store: Store) -> None:
    for version in (OLD, f"{OLD}d", NEW):
        put(store, version)
    assert close_superseded(store, MODEL, OLD) == []
    assert waiting(store) == [OLD, f"{OLD}d", NEW]


def test_data_without_times_is_newer_by_its_snapshot(store: Store) -> None:
    put(store, "aaaa", snapshot="one")
    put(store, "bbbb", snapshot="two")
    put(store, "cccc", snapshot="two")
    assert [each.version for each in find_superseded(store, MODEL, "cccc")] == ["aaaa"]
    assert find_superseded(store, MODEL, "aaaa") == []


def test_what_a_person_approved_is_left_to_its_release(store: Store) -> None:
    put(store, OLD)
    put(store, NEW)
    approve(store, OLD)
    assert close_superseded(store, MODEL, NEW) == []
    approve(store, OLD)  # finds its approval


def test_person_who_was_first_is_no_failure(store: Store) -> None:
    old = put(store, OLD)
    asked = Decision(model=MODEL, version=OLD, action="reject", approver="Ada", reason="odd")
    record(store, asked, old)
    assert reject_superseded(store, MODEL, old, NEW) is None
    with pytest.raises(DecisionRefused, match="rejected by Ada"):
        approve(store, OLD)


def test_signed_ledger_takes_the_systems_signature_and_no_persons(
    store: Store, signers: Signers, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, OLD)
    put(store, NEW)
    assert close_superseded(store, MODEL, NEW) == []
    assert waiting(store) == [OLD, NEW]
    monkeypatch.setenv("PERENNIAL_SYSTEM_KEY", str(signers.add("system")))
    (entry,) = close_superseded(store, MODEL, NEW)
    assert entry.signer == "system"
    assert [each.action for each in read_trusted_ledger(store, MODEL)] == ["reject"]
    assert waiting(store) == [NEW]
