"""A model's ledger: all decisions on its versions, as a hash chain that shows any later change.

Responsible for the entries, their order and their chain. Not responsible for what a version holds,
and for who may decide (`trusted_ledger`).
"""

import getpass
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Literal, Self

from pydantic import model_validator

from tasks.core.definition import Frozen
from tasks.core.errors import StoreError, harmless
from tasks.core.names import check_model, is_version
from tasks.storage.store import Store, reaching

Action = Literal["approve", "reject", "release", "rollback", "accept"]
# A function of bytes and a signer's name; gives the name of the key's owner, and the signature.
Sign = Callable[[bytes, str], tuple[str, str]]


class Overtaken(StoreError):
    """Another decision was recorded first; the second person looks at it and decides again."""

    exit_code = 1


class Entry(Frozen):
    """One decision. `manifest` is the digest of the version's manifest, `bento` of its bento's.

    `override` says that the gate had refused the version; `accept` covers all entries before it.
    `signature` is made by `signer` over the model and all other fields but `digest`. `digest` is
    the SHA-256 of all other fields, and `previous` the digest of the entry before.
    """

    number: int
    previous: str
    action: Action
    version: str
    manifest: str
    approver: str
    os_user: str
    time: datetime
    reason: str
    override: bool = False
    bento: str = ""
    signer: str = ""
    signature: str = ""
    digest: str = ""

    @model_validator(mode="after")
    def _is_about_a_version(self) -> Self:
        if self.action != "accept" and not is_version(self.version):
            raise ValueError("is no name of a version")
        if self.action == "accept" and self.version:
            raise ValueError("to accept a ledger is about no version")
        return self


def read_ledger(store: Store, model: str) -> list[Entry]:
    """Read a model's ledger and verify its hash chain.

    Raises StoreError, which names the entry, where one is missing, damaged or changed. The chain
    cannot show that the newest entries were removed, or who wrote one (`trusted_ledger`).
    """
    with reaching(store.root):
        names = store.children(ledger_path(model))
        for number, name in enumerate(names, start=1):
            _check_name(store, model, number, name)
        found = store.read_many(_path(model, number) for number in range(1, len(names) + 1))
    entries: list[Entry] = []
    for path, data in found.items():
        where = f"{store.root}/{path}"
        entry = _parse_entry(data, where)
        if entry.number != len(entries) + 1 or entry.previous != _tip(entries):
            raise StoreError(f"{where}: does not follow the entry before it; restore both")
        entries.append(entry)
    return entries


def ledger_path(model: str) -> str:
    return f"models/{check_model(model)}/ledger"


def append_entry(
    store: Store, model: str, *, after: int | None = None, sign: Sign | None = None, **decided: Any
) -> Entry:
    """Add a decision to the end of the ledger; Overtaken if another one was recorded first.

    `decided` are the entry's fields that a person decides: action, version, manifest, approver and
    reason, maybe override and bento. `after` is the number of the newest entry that the decision
    was based on, 0 for none. Without it, only a decision written at the same moment counts as
    another one first. With `sign`, the entry is signed for its place in the chain, and is not valid
    at another.
    """
    entries = read_ledger(store, model)
    if after is not None and len(entries) > after:
        raise _overtaken(model, entries[after])
    entry = Entry(
        number=len(entries) + 1,
        previous=_tip(entries),
        os_user=name_os_user(),
        time=datetime.now(UTC),
        **decided,
    )
    return _write_entry(store, model, entry, sign)


def _write_entry(store: Store, model: str, entry: Entry, sign: Sign | None) -> Entry:
    """Sign an entry, digest it and create its file, which only one of many writers can."""
    if sign is not None:
        signer, signature = sign(signed_bytes(entry, model), entry.approver)
        entry = entry.model_copy(update={"signer": signer, "signature": signature})
    entry = entry.model_copy(update={"digest": _digest(entry.model_dump(mode="json"))})
    try:
        with reaching(store.root):
            store.create(_path(model, entry.number), _serialise(entry.model_dump(mode="json")))
    except FileExistsError as error:
        raise _overtaken(model, read_ledger(store, model)[entry.number - 1]) from error
    return entry


def list_crowned(entries: Iterable[Entry]) -> list[Entry]:
    """List the entries that made a version the champion, in their order."""
    return [each for each in entries if each.action in ("release", "rollback")]


def check_approved(entries: Iterable[Entry], champion: Entry) -> None:
    """Raise StoreError for a champion whose manifest was never approved in the ledger."""
    approved = (each.manifest for each in entries if each.action == "approve")
    if champion.manifest not in approved:
        raise StoreError(
            f"ledger entry {champion.number} makes {champion.version} the champion, and nobody "
            "approved it; find out who wrote that entry, and restore the ledger"
        )


def signed_bytes(entry: Entry, model: str) -> bytes:
    """Give the bytes that a signer signs: the model and an entry's fields, as sorted JSON."""
    fields = entry.model_dump(mode="json", exclude={"signer", "signature", "digest"})
    return json.dumps({"model": model, **fields}, sort_keys=True).encode()


def name_os_user() -> str:
    """Name the operating system's user; by number where it has no name, as in some containers."""
    try:
        return harmless(getpass.getuser())
    except (KeyError, OSError):
        return str(os.getuid())


def _parse_entry(data: bytes, where: str) -> Entry:
    try:
        fields = json.loads(data)
        entry = Entry.model_validate(fields)
    except ValueError as error:
        raise StoreError(f"{where}: is damaged; restore it") from error
    if entry.digest != _digest(fields) or data != _serialise(fields):
        raise StoreError(f"{where}: was changed after it was recorded; restore it")
    return entry


def _check_name(store: Store, model: str, number: int, name: str) -> None:
    expected = f"{store.root}/{_path(model, number)}"
    if not re.fullmatch(r"\d{6}\.json", name):
        where = expected.rpartition("/")[0]
        raise StoreError(f"{where}/{name}: is no ledger entry; remove it")
    if not expected.endswith(f"/{name}"):
        raise StoreError(f"{expected}: is missing; restore it")


def _overtaken(model: str, first: Entry) -> Overtaken:
    return Overtaken(
        f"{model}: {first.approver} was first, with {first.action} of {first.version} (entry "
        f"{first.number} of the ledger); look at `perennial history {model}` and decide again"
    )


def _tip(entries: list[Entry]) -> str:
    return entries[-1].digest if entries else ""


def _digest(fields: dict[str, Any]) -> str:
    others = {name: value for name, value in fields.items() if name != "digest"}
    return hashlib.sha256(json.dumps(others, sort_keys=True).encode()).hexdigest()


def _serialise(fields: dict[str, Any]) -> bytes:
    """Give an entry's bytes in their one form: a change of a space is found, too."""
    return json.dumps(fields, indent=1, ensure_ascii=False).encode()


def _path(model: str, number: int) -> str:
    return f"{ledger_path(model)}/{number:06d}.json"
