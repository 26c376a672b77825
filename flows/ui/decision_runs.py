"""Decisions made on the page: what a form has to say, and what becomes of it meanwhile.

Each is carried out in a process of its own, one after the other for a model. Responsible for forms
and for how far each decision is. Not responsible for whether it is allowed: the ledger's rules are
those of the command line (`flows.python_api`). What is kept here is gone with the page; what was
decided is in the ledger.
"""

import secrets
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from flows.ui.part_process import ask_process
from tasks.core.errors import DecisionRefused, DefinitionError, StoreError
from tasks.core.names import check_model, check_version
from tasks.registry.decisions import Decision, DecisionAction, refuse_beforehand
from tasks.registry.signatures import find_signers
from tasks.registry.trusted_ledger import read_trusted_ledger
from tasks.registry.versions import find_version
from tasks.storage.store import Store

_KEPT, _MODULE = 200, "flows.ui.decision_process"
_ACTIONS: dict[str, DecisionAction] = {
    "approve": "approve",
    "reject": "reject",
    "rollback": "rollback",
}


class Outdated(StoreError):
    """Something else was decided, or published, since the form was shown."""

    exit_code = 1


class DecisionRun:
    """A decision that is carried out: what was decided, since when, and how it ended."""

    def __init__(self, decision: Decision) -> None:
        self.name, self.decision = secrets.token_hex(8), decision
        self.began = datetime.now(UTC)
        self.ended: datetime | None = None
        self.result: dict[str, Any] = {}

    def describe(self) -> dict[str, Any]:
        """Give what `.json` tells of it."""
        state = "running"
        if self.ended is not None:
            state = "failed" if "error" in self.result else "done"
        return {
            "decision": self.decision.model_dump(),
            "began": self.began.isoformat(),
            "ended": self.ended and self.ended.isoformat(),
            "state": state,
            "error": self.result.get("error", ""),
            "result": {name: said for name, said in self.result.items() if name != "error"},
        }


class DecisionRuns:
    """All decisions that this page was asked to carry out."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._runs: dict[str, DecisionRun] = {}
        self._turns: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def start(self, decision: Decision) -> DecisionRun:
        """Refuse a decision that cannot be, or carry it out in the background."""
        refuse_beforehand(self._store, decision)
        run = DecisionRun(decision)
        with self._lock:
            self._runs[run.name] = run
            for name in [*self._runs][:-_KEPT]:
                del self._runs[name]
            turn = self._turns.setdefault(decision.model, threading.Lock())
        threading.Thread(target=_carry_out, args=(run, turn), daemon=True).start()
        return run

    def find(self, name: str) -> DecisionRun | None:
        with self._lock:
            return self._runs.get(name)


def read_form(store: Store, model: str, form: Mapping[str, str]) -> Decision:
    """Read a decision off a form, whose token was checked.

    Raises Outdated where the ledger, or the version, is not what the person looked at, and
    DecisionRefused where decisions are signed.
    """
    action, version = form.get("action", ""), form.get("version", "")
    if action not in _ACTIONS:
        raise DefinitionError("a decision is to approve, to reject, or to roll back")
    check_model(model)
    check_version(version)
    refuse_signed(model)
    if str(len(read_trusted_ledger(store, model))) != form.get("known"):
        raise Outdated(f"{model}: another decision was made meanwhile; look again, then decide")
    published = find_version(store, model, version)
    if published is None or published.digest != form.get("manifest", published.digest):
        raise Outdated(f"{model}: {version} is not what was shown; look again, then decide")
    given = {
        name: form.get(name, "").replace("\r\n", "\n").strip() for name in ("approver", "reason")
    }
    return Decision(
        model=model,
        version=version,
        action=_ACTIONS[action],
        override=form.get("override") == "yes",
        **given,
    )


def refuse_signed(model: str) -> None:
    """Raise DecisionRefused where a person's key has to sign: no form has one."""
    if find_signers(model) is not None:
        raise DecisionRefused(f"{model}: decisions are signed; decide on your own machine")


def tell_command(model: str, version: str, action: str, override: bool = False) -> str:
    """Write the command by which a signer decides the same."""
    what = f"{model} --to {version}" if action == "rollback" else f"{model} {version}"
    return f"perennial {action} {what} --as NAME --reason TEXT{' --override' if override else ''}"


def _carry_out(run: DecisionRun, turn: threading.Lock) -> None:
    """Run the decision's process to its end, and keep what it said."""
    given = run.decision.model_dump_json().encode()
    with turn:
        run.result = ask_process("the decision's process", _MODULE, given=given)
    run.ended = datetime.now(UTC)
