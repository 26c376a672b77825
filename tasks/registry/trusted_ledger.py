"""Check that a ledger can be trusted: it is whole, signed, and not shorter than seen before.

Responsible for who may sign which entry, and for remembering what this machine saw. Not responsible
for the chain itself (`ledger`) and for cryptography (`signatures`). Where no signers are named,
whoever can write to the root can write decisions, and only the chain is checked.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from pathlib import Path

from pydantic import ValidationError

from tasks.core.definition import Frozen
from tasks.core.errors import DecisionRefused, DefinitionError, StoreError
from tasks.registry.ledger import Entry, Sign, append_entry, read_ledger, signed_bytes
from tasks.registry.signatures import (
    SIGNING_KEY,
    SYSTEM,
    SYSTEM_KEY,
    Signature,
    find_signers,
    sign,
    verify,
)
from tasks.storage.store import Store

_BY_SYSTEM = ("release", "rollback", "reject")


class Seen(Frozen):
    """A ledger as this machine saw it: its entries' digests in order, the newest one's time.

    `signers` is the digest of the file by which all of them were verified, empty if by none.
    """

    digests: tuple[str, ...] = ()
    time: datetime | None = None
    signers: str = ""


def read_trusted_ledger(store: Store, model: str) -> list[Entry]:
    """Read a model's ledger and verify its chain, and its signatures where signers are named.

    Raises StoreError naming the entry that is not signed, whose signer may not write it, or that is
    missing since this machine last looked.
    """
    entries, signers = read_ledger(store, model), find_signers(model)
    if signers is None:
        return entries
    seen, allowed = recall(store, model), hashlib.sha256(signers.read_bytes()).hexdigest()
    refuse_shorter(entries, seen, model)
    verified = len(seen.digests) if seen.signers == allowed and extends(entries, seen) else 0
    check_signatures(entries, model, signers, verified)
    remember(store, model, see(entries, allowed))
    return entries


def check_signatures(
    entries: Sequence[Entry], model: str, signers: Path, verified: int = 0
) -> None:
    """Verify the signatures of all entries from the last `accept` on.

    The first `verified` entries were verified before. Raises StoreError for the first invalid one.
    """
    accepted = max((each.number for each in entries if each.action == "accept"), default=1)
    for entry in entries[max(verified, accepted - 1) :]:
        where = f"{model}: ledger entry {entry.number} ({entry.action} of {entry.version or 'all'})"
        if not entry.signature:
            raise StoreError(
                f"{where} is not signed, and {signers} names who must; if all of `perennial "
                f"history {model}` is right, a signer says so: perennial accept {model} --as NAME "
                "--reason TEXT"
            )
        signature = Signature(signer=entry.signer, armour=entry.signature)
        try:
            verify(signed_bytes(entry, model), signature, entry.time, signers)
        except StoreError as error:
            raise StoreError(f"{where}: {error}; find out who wrote it") from error
        check_signer(entries, entry, where)


def check_signer(entries: Sequence[Entry], entry: Entry, where: str) -> None:
    """Raise StoreError for an entry that its signer may not write.

    A person signs as himself. The system may reject, and may release or roll back to what a person
    approved.
    """
    if entry.signer != SYSTEM:
        if entry.action != "release" and entry.signer != entry.approver:
            raise StoreError(f"{where} is by {entry.approver!r}, and {entry.signer!r} signed it")
        return
    if entry.action not in _BY_SYSTEM:
        raise StoreError(f"{where} is signed by {SYSTEM!r}, which may not decide that")
    approvals = (each for each in entries[: entry.number - 1] if each.action == "approve")
    if entry.action != "reject" and entry.manifest not in {each.manifest for each in approvals}:
        raise StoreError(f"{where} is signed by {SYSTEM!r}, and no person approved those files")


def accept_ledger(store: Store, model: str, approver: str, reason: str) -> Entry:
    """Accept a ledger as it stands, after a restore or where signers are new; its chain must hold.

    Raises DecisionRefused where there is nothing to accept, DefinitionError without name or reason.
    """
    ledger = read_ledger(store, model)
    if not ledger:
        raise DecisionRefused(f"{model}: has no ledger to accept in {store.root}")
    if not approver.strip() or not reason.strip():
        raise DefinitionError("to accept a ledger takes --as NAME and --reason TEXT")
    return append_entry(
        store,
        model,
        action="accept",
        version="",
        manifest="",
        approver=approver.strip(),
        reason=reason.strip(),
        after=len(ledger),
        sign=sign_decision(model),
    )


def sign_decision(model: str) -> Sign | None:
    """Give the function that signs a person's decision; None where no signers are named."""
    signers = find_signers(model)
    return None if signers is None else partial(_sign_as_person, model, signers)


def sign_consequence(model: str) -> Sign | None:
    """Give the function that signs a release: with the system's key, or else the approver's."""
    signers = find_signers(model)
    return None if signers is None else partial(_sign_as_system, model, signers)


def _sign_as_person(model: str, signers: Path, data: bytes, name: str) -> tuple[str, str]:
    key = os.environ.get(SIGNING_KEY)
    if not key:
        raise DecisionRefused(
            f"{model}: a decision is signed by a key in {signers}, which is not here; decide "
            f"on your own machine, with `perennial approve`, `reject` or `rollback`"
        )
    made = sign(data, Path(key).expanduser(), signers, name)
    if made.signer != name:
        raise DecisionRefused(f"--as {name}: the key {key} is that of {made.signer}; say so")
    return made.signer, made.armour


def _sign_as_system(model: str, signers: Path, data: bytes, name: str) -> tuple[str, str]:
    system = os.environ.get(SYSTEM_KEY)
    key = system or os.environ.get(SIGNING_KEY)
    if not key:
        raise DecisionRefused(
            f"{model}: the release of what was approved is signed, too; set {SYSTEM_KEY} to "
            f"the key of {SYSTEM!r} in {signers}, and approve again"
        )
    made = sign(data, Path(key).expanduser(), signers, SYSTEM if system else name)
    return made.signer, made.armour


def refuse_shorter(entries: Sequence[Entry], seen: Seen, model: str) -> None:
    """Raise StoreError for a ledger that lost entries since it was seen, unless that was accepted.

    Only an `accept` newer than all that was seen counts: an older one could be put back with the
    ledger that it belonged to.
    """
    if extends(entries, seen):
        return
    accepted = [each.time for each in entries if each.action == "accept"]
    if accepted and seen.time and accepted[-1] > seen.time:
        return
    raise StoreError(
        f"{model}: the ledger had {len(seen.digests)} entries when this machine last looked, and "
        f"does not continue them ({len(entries)} now); restore the rest, or, if this is a restore, "
        f"a person says so: perennial accept {model} --as NAME --reason TEXT"
    )


def look_back(store: Store, model: str, entries: Sequence[Entry]) -> None:
    """Compare an unsigned ledger with what this machine saw; StoreError if it lost entries.

    A ledger that begins with another entry is that of a new root.
    """
    seen = recall(store, model)
    if entries and seen.digests[:1] == (entries[0].digest,):
        refuse_shorter(entries, seen, model)
    remember(store, model, see(entries))


def extends(entries: Sequence[Entry], seen: Seen) -> bool:
    """Tell whether a ledger begins with all entries that were seen."""
    return tuple(each.digest for each in entries[: len(seen.digests)]) == seen.digests


def see(entries: Sequence[Entry], signers: str = "") -> Seen:
    digests = tuple(each.digest for each in entries)
    return Seen(digests=digests, time=entries[-1].time if entries else None, signers=signers)


def recall(store: Store, model: str) -> Seen:
    """Read what this machine last saw of a ledger; an unreadable file counts as nothing seen."""
    try:
        return Seen.model_validate_json(_memory(store, model).read_bytes())
    except (OSError, ValidationError):
        return Seen()


def remember(store: Store, model: str, seen: Seen) -> None:
    """Save what was seen of a ledger, readable by this user only and outside the root."""
    file = _memory(store, model)
    data = seen.model_dump_json().encode()
    try:
        if file.read_bytes() == data:
            return
    except OSError:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = file.with_suffix(f".{os.getpid()}")
    draft.write_bytes(data)
    draft.chmod(0o600)
    os.replace(draft, file)


def _memory(store: Store, model: str) -> Path:
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    place = json.dumps([store.root, model]).encode()
    return Path(state, "perennial", "ledgers", f"{hashlib.sha256(place).hexdigest()[:16]}.json")
