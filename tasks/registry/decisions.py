"""Decisions on a version: approve, reject, roll back, release; and their entries in the ledger.

Responsible for what a decision needs (approver, reason, a passed gate or an override) and for when
it is refused. Not responsible for building and testing a bento (`serving`).

To settle a decision is to turn the ledger as it is into the decision's new entry, or to refuse it.
"""

import logging
from collections.abc import Callable
from typing import Any, Literal

from tasks.core.definition import Frozen
from tasks.core.errors import DecisionRefused, DefinitionError, StoreError, harmless
from tasks.registry.ledger import Entry, Overtaken, Sign, append_entry
from tasks.registry.signatures import SYSTEM
from tasks.registry.trusted_ledger import read_trusted_ledger, sign_consequence, sign_decision
from tasks.registry.version_status import previous_champion, refuse_closed, refuse_rollback
from tasks.registry.versions import Published, get_version, read_json
from tasks.storage.store import Store

log = logging.getLogger("perennial.decisions")

DecisionAction = Literal["approve", "reject", "rollback"]
Settle = Callable[[list[Entry]], Entry | dict[str, Any]]


class Decision(Frozen):
    """A person's decision on one version. The approver's name is what the person gave."""

    model: str
    version: str
    action: DecisionAction
    approver: str
    reason: str = ""
    override: bool = False


def check_decision(decision: Decision) -> None:
    """Raise DefinitionError for a decision without a name, or an override without a reason."""
    check_approver(decision.approver)
    if harmless(decision.reason) != decision.reason:
        raise DefinitionError(f"--reason {_quote(decision.reason)}: holds control characters")
    if decision.override and not decision.reason.strip():
        raise DefinitionError("--override needs a reason: --reason TEXT")


def check_approver(name: str) -> None:
    """Raise DefinitionError for an empty name, or one with control characters."""
    if not name.strip():
        raise DefinitionError("a decision needs the name of who makes it: --as NAME")
    if harmless(name) != name or set(name) & {"\t", "\n"}:
        raise DefinitionError(f"--as {_quote(name)}: a name is one line, and no control character")


def _quote(text: str) -> str:
    return repr(text[:80])


def settle_approval(store: Store, decision: Decision, published: Published) -> Settle:
    """Approve a version; an earlier approval that was not released yet is used again."""
    model, version = decision.model, decision.version
    passed = bool(read_json(store, published, "verdict.json")["passed"])

    def settle(ledger: list[Entry]) -> Entry | dict[str, Any]:
        refuse_closed(ledger, model, version)
        for entry in ledger:
            approved = entry.action == "approve" and entry.version == version
            if approved and entry.manifest == published.digest:
                log.info("%s was approved by %s already", version, entry.approver)
                return entry
        if not passed and not decision.override:
            raise DecisionRefused(
                f"{model}: {version} did not pass its gate; releasing it all the same takes "
                "--override and a --reason"
            )
        return _fields(decision, published, override=decision.override and not passed)

    return settle


def settle_rejection(store: Store, decision: Decision, published: Published) -> Settle:
    """Reject a version for good."""

    def settle(ledger: list[Entry]) -> dict[str, Any]:
        refuse_closed(ledger, decision.model, decision.version)
        return _fields(decision, published)

    return settle


def record_release(store: Store, approval: Entry, model: str, bento: str) -> Entry:
    """Make an approved version the champion, with the digest of its proven bento.

    Raises DecisionRefused if the ledger has a later decision that excludes it.
    """

    def settle(ledger: list[Entry]) -> dict[str, Any]:
        refuse_closed(ledger, model, approval.version)
        kept = {"version", "manifest", "approver", "reason", "override"}
        fields = approval.model_dump(include=kept)
        return {**fields, "action": "release", "bento": bento}

    return _record(store, model, settle, sign_consequence(model))


def reject_superseded(store: Store, model: str, published: Published, newer: str) -> Entry | None:
    """Reject, as the system, a version that `newer` supersedes; None if a person was first."""
    decision = Decision(
        model=model,
        version=published.version,
        action="reject",
        approver=SYSTEM,
        reason=f"superseded by {newer}, which is of newer data and passed its gate",
    )

    def settle(ledger: list[Entry]) -> dict[str, Any]:
        refuse_closed(ledger, model, published.version)
        if any((each.action, each.version) == ("approve", published.version) for each in ledger):
            raise DecisionRefused(f"{model}: {published.version} was approved; its release goes on")
        return _fields(decision, published)

    try:
        return _record(store, model, settle, sign_consequence(model))
    except DecisionRefused as refused:
        log.info("%s", refused)
        return None


def settle_rollback(store: Store, decision: Decision, published: Published) -> Settle:
    """Roll back: make an earlier champion the champion again."""
    model, version = decision.model, decision.version

    def settle(ledger: list[Entry]) -> dict[str, Any]:
        release = refuse_rollback(ledger, model, version)
        if published.digest != release.manifest:
            raise StoreError(f"{model}: {version} is not what was released; restore its files")
        return _fields(decision, published, bento=release.bento)

    return settle


_SETTLING = {"approve": settle_approval, "reject": settle_rejection, "rollback": settle_rollback}


def record(store: Store, decision: Decision, published: Published) -> Entry:
    """Write a decision on one version into the ledger; DecisionRefused where it is not allowed."""
    settle, sign = _settle(store, decision, published), sign_decision(decision.model)
    return _record(store, decision.model, settle, sign)


def refuse_beforehand(store: Store, asked: Decision) -> None:
    """Check a decision against the ledger as it is now; raises what `record` would raise."""
    check_decision(asked)
    _settle(store, asked, find_asked(store, asked))(read_trusted_ledger(store, asked.model))


def _settle(store: Store, asked: Decision, published: Published) -> Settle:
    decision = asked.model_copy(update={"version": published.version})
    return _SETTLING[decision.action](store, decision, published)


def find_asked(store: Store, asked: Decision) -> Published:
    """Find the version of a decision; a rollback without one is to the champion before."""
    version = asked.version
    if asked.action == "rollback" and not version:
        version = previous_champion(store, asked.model)
    return get_version(store, asked.model, version)


def _fields(decision: Decision, published: Published, **more: Any) -> dict[str, Any]:
    return {
        "action": decision.action,
        "version": decision.version,
        "manifest": published.digest,
        "approver": decision.approver.strip(),
        "reason": decision.reason.strip(),
        **more,
    }


def _record(store: Store, model: str, settle: Settle, sign: Sign | None) -> Entry:
    """Append what `settle` makes of the ledger; settle again where another entry came first."""
    while True:
        ledger = read_trusted_ledger(store, model)
        settled = settle(ledger)
        if isinstance(settled, Entry):
            return settled
        try:
            return append_entry(store, model, after=len(ledger), sign=sign, **settled)
        except Overtaken:
            log.info("%s: another decision came first; looking again", model)
