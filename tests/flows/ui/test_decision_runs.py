"""A form says what was looked at: what changed since, and what is signed, is not decided by it."""

from typing import Any

import pytest
from judged import MODEL, NEW, OLD
from servers import wait_for
from signing import Signers

from flows.ui import decision_runs
from flows.ui.decision_runs import DecisionRuns, Outdated, read_form, tell_command
from tasks.core.errors import DecisionRefused, DefinitionError
from tasks.registry.decisions import Decision
from tasks.registry.ledger import append_entry
from tasks.registry.signatures import SIGNERS
from tasks.registry.versions import Published
from tasks.storage.store import Store


@pytest.fixture
def form(candidates: tuple[Published, Published]) -> dict[str, str]:
    said = {"action": "approve", "version": NEW, "known": "0", "manifest": candidates[1].digest}
    return {**said, "approver": " Ada ", "reason": "one\r\ntwo", "override": ""}


def test_form_becomes_the_decision_that_was_typed(store: Store, form: dict[str, str]) -> None:
    decision = read_form(store, MODEL, form)
    assert (decision.approver, decision.reason, decision.override) == ("Ada", "one\ntwo", False)
    assert read_form(store, MODEL, {**form, "override": "yes"}).override


@pytest.mark.parametrize(
    "said", [{"action": "accept"}, {"version": "../x"}, {"version": ""}, {"action": ""}]
)
def test_form_that_was_made_up_is_refused(
    store: Store, form: dict[str, str], said: dict[str, str]
) -> None:
    with pytest.raises(DefinitionError):
        read_form(store, MODEL, {**form, **said})


def test_what_was_not_looked_at_is_not_decided_on(store: Store, form: dict[str, str]) -> None:
    with pytest.raises(Outdated, match="is not what was shown"):
        read_form(store, MODEL, {**form, "manifest": "another"})
    with pytest.raises(Outdated, match="is not what was shown"):
        read_form(store, MODEL, {**form, "version": "20990101T000000Z-abc"})
    said: Any = {"version": OLD, "manifest": "m", "approver": "Bob", "reason": "old"}
    append_entry(store, MODEL, action="reject", **said)
    with pytest.raises(Outdated, match="another decision was made meanwhile"):
        read_form(store, MODEL, form)


def test_where_decisions_are_signed_a_form_decides_nothing(
    store: Store, form: dict[str, str], tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    signers = Signers(tmp_path / "keys")
    signers.add("Ada")
    monkeypatch.setenv(SIGNERS, str(signers.file))
    with pytest.raises(DecisionRefused, match="are signed; decide on your own machine"):
        read_form(store, MODEL, form)
    assert tell_command(MODEL, NEW, "approve", True) == (
        f"perennial approve {MODEL} {NEW} --as NAME --reason TEXT --override"
    )
    assert tell_command(MODEL, OLD, "rollback").startswith(f"perennial rollback {MODEL} --to {OLD}")


def test_what_the_ledger_refuses_is_refused_at_once(store: Store, form: dict[str, str]) -> None:
    runs = DecisionRuns(store)
    with pytest.raises(DecisionRefused, match="was never released"):
        runs.start(read_form(store, MODEL, {**form, "action": "rollback"}))
    with pytest.raises(DefinitionError, match="needs the name of who makes it"):
        runs.start(read_form(store, MODEL, {**form, "approver": " "}))
    with pytest.raises(DefinitionError, match="no control character"):
        runs.start(read_form(store, MODEL, {**form, "approver": "Ada\x1b"}))


def test_process_that_says_nothing_is_told_by_its_last_words(
    store: Store, form: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decision_runs, "_KEPT", 1)
    monkeypatch.setattr(decision_runs, "_MODULE", "flows.ui.there_is_none")
    runs = DecisionRuns(store)
    first, second = (runs.start(Decision(**_reject(form))) for _ in range(2))
    wait_for(lambda: second.describe()["state"] == "failed", 60)
    assert "there_is_none" in second.describe()["error"]
    assert (runs.find(first.name), runs.find(second.name)) == (None, second)


def _reject(form: dict[str, str]) -> dict[str, str]:
    return {"model": MODEL, "version": form["version"], "action": "reject", "approver": "Ada"}
