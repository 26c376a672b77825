"""Commands that decide: what is refused before any flow runs, and how a ledger is accepted."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.registry.ledger import append_entry
from tasks.storage.store import open_store

Run = Callable[..., tuple[int, str, str]]
SIGNED = ("--as", "Ada", "--reason", "restored")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("approve", "flight-delay", "2013", "--as", " ", "--reason", "x"), 2, "needs the name"),
        (("reject", "flight-delay", "2013", *SIGNED), 2, "version '2013' does not exist"),
        (("rollback", "flight-delay", *SIGNED), 3, "no earlier champion to roll back to"),
        (("accept", "flight-delay", *SIGNED), 3, "has no ledger to accept"),
        (("approve", "flight-delay", "2013"), 2, "--as"),
    ],
    ids=["no name", "no version", "no champion", "no ledger", "no option"],
)
def test_decision_that_cannot_be_is_refused(
    run: Run, words: tuple[str, ...], code: int, said: str
) -> None:
    exit_code, out, errors = run(*words)
    assert exit_code == code, errors
    assert said in " ".join(errors.split())
    assert out == ""


def test_ledger_is_accepted_as_it_stands(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERENNIAL_ROOT", str(tmp_path / "other"))
    store = open_store()
    append_entry(
        store, "flight-delay", action="reject", version="v1", manifest="", approver="Ada", reason=""
    )
    code, out, _ = run("accept", "flight-delay", *SIGNED, "--json")
    assert code == 0
    assert json.loads(out)["action"] == "accept"
    assert "2 entries accepted by Ada" in run("accept", "flight-delay", *SIGNED)[1]
