"""What was told already: each message reaches each address once, and again when it is due again.

A message is remembered after an address took it, so that a kill in between tells it twice and never
loses it. Kept under `notified/` of the root, with the last failure of each address.
"""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from pydantic import ValidationError

from tasks.core.definition import Frozen
from tasks.notifications.addresses import Address
from tasks.notifications.delivery import Delivery
from tasks.notifications.messages import Message
from tasks.storage.store import Store, reaching

_FOLDER, _TROUBLES = "notified", "_addresses"  # no model can be called so


class Told(Frozen):
    """A message that an address took: when first and last, and with what it held back."""

    key: str
    label: str
    first: datetime
    last: datetime
    held: tuple[str, ...] = ()


class LastWord(Frozen):
    """How the newest message to an address ended; `problem` is empty where it was taken."""

    label: str
    time: datetime
    problem: str


def find_due(
    store: Store, model: str, addresses: Iterable[Address], messages: Sequence[Message]
) -> dict[Address, list[Message]]:
    """Find which messages each address has yet to be told, or to be told again."""
    addresses, now = list(addresses), datetime.now(UTC)
    asked = {
        _path(model, each.key, address.label): (address, each)
        for address in addresses
        for each in messages
    }
    with reaching(store.root):
        found = store.read_many(asked)
    due: dict[Address, list[Message]] = {}
    for path, (address, message) in asked.items():
        told = _parse(found[path]) if path in found else None
        if told is None:
            due.setdefault(address, []).append(message)
        elif _is_due_again(message, told, now):
            due.setdefault(address, []).append(_as_reminder(message, told, now))
    return due


def remember(
    store: Store, model: str, messages: Sequence[Message], done: Iterable[Delivery]
) -> None:
    """Remember what was taken, and for each address how its newest message ended."""
    now, known = datetime.now(UTC), {each.key: each for each in messages}
    ended: dict[str, str] = {}
    for each in done:
        ended[each.label] = each.problem
        if each.problem:
            continue
        path = _path(model, each.key, each.label)
        with reaching(store.root):
            before = store.read_many([path]).get(path)
            old = _parse(before) if before else None
            told = Told(
                key=each.key,
                label=each.label,
                first=old.first if old else now,
                last=now,
                held=known[each.key].held,
            )
            store.replace(path, told.model_dump_json().encode())
    for label, problem in ended.items():
        last = recall_trouble(store, label)
        if problem or (last is not None and last.problem):
            word = LastWord(label=label, time=now, problem=problem)
            with reaching(store.root):
                store.replace(_trouble(label), word.model_dump_json().encode())


def recall_trouble(store: Store, label: str) -> LastWord | None:
    """Recall how the newest message to an address ended; None if all were taken."""
    path = _trouble(label)
    with reaching(store.root):
        found = store.read_many([path]).get(path)
    try:
        return LastWord.model_validate_json(found) if found else None
    except ValidationError:
        return None


def _is_due_again(message: Message, told: Told, now: datetime) -> bool:
    if message.remind is None:
        return False
    return now - told.last >= message.remind or not set(message.held) <= set(told.held)


def _as_reminder(message: Message, told: Told, now: datetime) -> Message:
    hours = (now - told.first).total_seconds() / 3600
    since = f"{hours / 24:.0f} days" if hours >= 48 else f"{hours:.0f} hours"
    return message.model_copy(update={"subject": f"{message.subject} (told {since} ago)"})


def _parse(data: bytes) -> Told | None:
    """Read what was remembered; a damaged file counts as nothing told."""
    try:
        return Told.model_validate_json(data)
    except ValidationError:
        return None


def _path(model: str, key: str, label: str) -> str:
    return f"{_FOLDER}/{model}/{_digest(key)}-{_digest(label)[:8]}.json"


def _trouble(label: str) -> str:
    return f"{_FOLDER}/{_TROUBLES}/{_digest(label)}.json"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
