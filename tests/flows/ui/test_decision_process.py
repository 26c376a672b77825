"""A form's decision is made in a process of its own, and signed with no person's key."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from judged import MODEL, NEW
from signing import Signers

from tasks.registry.decisions import Decision
from tasks.registry.ledger import append_entry, read_ledger
from tasks.registry.signatures import SIGNERS, SIGNING_KEY
from tasks.registry.versions import Published
from tasks.storage.store import Store


def decide(store: Store, **more: str) -> tuple[int, str]:
    decision = Decision(model=MODEL, version=NEW, action="reject", approver="Ada", reason="<no>")
    done = subprocess.run(
        [sys.executable, "-P", "-m", "flows.ui.decision_process"],
        input=decision.model_dump_json(),
        stdout=subprocess.PIPE,
        env=os.environ | {"PERENNIAL_ROOT": store.root, **more},
        text=True,
    )
    return done.returncode, json.loads(done.stdout)["error"]


def test_decision_that_the_ledger_refuses_is_told_with_its_exit_code(
    store: Store, candidates: tuple[Published, Published]
) -> None:
    said: Any = {"version": NEW, "manifest": candidates[1].digest, "approver": "Bob"}
    append_entry(store, MODEL, action="reject", reason="late", **said)
    assert decide(store) == (3, f"{MODEL}: {NEW} was rejected by Bob: late")


@pytest.mark.usefixtures("candidates")
def test_key_of_a_person_does_not_sign_what_a_form_says(store: Store, tmp_path: Path) -> None:
    signers = Signers(tmp_path / "keys")
    given = {SIGNERS: str(signers.file), SIGNING_KEY: str(signers.add("Ada"))}
    code, said = decide(store, **given)
    assert (code, said) == (3, f"{MODEL}: decisions are signed; decide on your own machine")
    assert read_ledger(store, MODEL) == []
