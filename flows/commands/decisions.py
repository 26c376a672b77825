"""Commands that decide on a version: approve, reject, rollback, and accept.

A decision that cannot be is refused here, before Prefect is loaded; the flow refuses it again.
"""

from typing import Annotated, Any

import typer

from flows import console, python_api
from flows.commands.flow_runs import STARTING
from flows.commands.options import Approver, AsJson, Model, Reason, Version, name_of
from tasks.storage.store import open_store


def approve(
    model: Model,
    version: Version,
    approver: Approver,
    reason: Reason,
    override: Annotated[
        bool, typer.Option("--override", help="Release it although its gate refused it.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Approve a candidate: its bento is built and tested, then it is the champion."""
    said = {"version": version, "approver": approver, "reason": reason, "override": override}
    _release(model, as_json, action="approve", **said)


def reject(
    model: Model, version: Version, approver: Approver, reason: Reason, as_json: AsJson = False
) -> None:
    """Reject a candidate for good."""
    _release(model, as_json, action="reject", version=version, approver=approver, reason=reason)


def rollback(
    model: Model,
    approver: Approver,
    reason: Reason,
    to: Annotated[str, typer.Option(help="A version; left out: the champion before.")] = "",
    as_json: AsJson = False,
) -> None:
    """Make an earlier champion the champion again."""
    _release(model, as_json, action="rollback", version=to, approver=approver, reason=reason)


def accept(model: Model, approver: Approver, reason: Reason, as_json: AsJson = False) -> None:
    """Accept a ledger as it stands: after a restore, or when signers are new."""
    from tasks.registry.signatures import take_own_key
    from tasks.registry.trusted_ledger import accept_ledger

    name = name_of(model)
    take_own_key(name)
    entry = accept_ledger(open_store(), name, approver, reason)
    if as_json:
        return console.print_json(entry.model_dump(mode="json"))
    said = f"{name}: {entry.number - 1} entries accepted by {entry.approver}"
    console.out.print(said, soft_wrap=True)


def _release(model: str, as_json: bool, action: python_api.Action, **said: Any) -> None:
    """Decide, and print what came of it."""
    with console.progress(STARTING):
        done = python_api.decide(model, action, **said)
    console.print_json(done) if as_json else console.print_release(done)
