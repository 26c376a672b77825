"""Which causes were told already: once each, again only if nobody heard, and none about the past.

A cause is remembered after it was told, so that a kill in between tells it twice and never loses
it. What is told goes forward in time: a look as of before the newest one only looks. Owns that
memory, under `monitoring/NAME/raised/`. Refuses to know when something is worth it.
"""

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from typing import Any, Literal

from tasks.core.definition import Frozen
from tasks.core.errors import EventLost, first_line
from tasks.monitoring.events import Alert, emit
from tasks.storage.store import Store, reaching

State = Literal["raised", "known", "held back", "not heard"]
RETRAINING: tuple[Alert, ...] = ("new-data", "quality-lost", "distribution-moved")


class Cause(Frozen):
    """Something to tell. `key` makes it the same cause the next time that it is found."""

    kind: Alert
    reason: str
    key: str
    found: dict[str, Any]


class SentAlerts(Frozen):
    """What became of a cause: told now, known already, held back, or not heard by the server."""

    kind: Alert
    reason: str
    key: str
    state: State
    detail: str = ""


def raise_causes(
    store: Store, model: str, causes: Iterable[Cause], as_of: datetime, waiting: str
) -> Iterator[SentAlerts]:
    """Tell each cause once. A server that did not hear one is not asked again in the same look.

    None that retrains is told while a candidate, named by `waiting`, waits for a decision.
    """
    deaf, later = "", _find_later(store, model, as_of)
    for cause in causes:
        told = _hold_back(store, model, cause, later, waiting) or (
            _say(cause, "not heard", deaf) if deaf else _tell(store, model, cause)
        )
        deaf = deaf or (told.detail if told.state == "not heard" else "")
        yield told


def remember_look(store: Store, model: str, as_of: datetime) -> None:
    """Remember how far time has come for what is told."""
    if _find_later(store, model, as_of) is None:
        with reaching(store.root):
            store.replace(_newest(model), as_of.isoformat().encode())


def _find_later(store: Store, model: str, as_of: datetime) -> datetime | None:
    """Find the newest look that was remembered, where it was as of a later time."""
    with reaching(store.root):
        found = store.read_many([_newest(model)]).get(_newest(model))
    newest = datetime.fromisoformat(found.decode()) if found else as_of
    return newest if newest > as_of else None


def _hold_back(
    store: Store, model: str, cause: Cause, later: datetime | None, waiting: str
) -> SentAlerts | None:
    with reaching(store.root):
        if store.read_many([_path(model, cause)]):
            return _say(cause, "known")
    if later is not None:
        said = f"the past: the newest look was as of {later:%Y-%m-%d %H:%M} UTC"
        return _say(cause, "held back", said)
    if waiting and cause.kind in RETRAINING:
        return _say(cause, "held back", f"{waiting} waits for a decision")
    return None


def _tell(store: Store, model: str, cause: Cause) -> SentAlerts:
    try:
        emit(model, cause.kind, cause.reason, cause.key, found=cause.found)
    except EventLost as error:
        return _say(cause, "not heard", first_line(error))
    with suppress(FileExistsError), reaching(store.root):  # or another run told it just now
        store.create(_path(model, cause), cause.model_dump_json().encode())
    return _say(cause, "raised")


def _say(cause: Cause, state: State, detail: str = "") -> SentAlerts:
    return SentAlerts(
        kind=cause.kind, reason=cause.reason, key=cause.key, state=state, detail=detail
    )


def _newest(model: str) -> str:
    return f"monitoring/{model}/raised/newest-look"


def _path(model: str, cause: Cause) -> str:
    digest = hashlib.sha256(cause.key.encode()).hexdigest()[:16]
    return f"monitoring/{model}/raised/{cause.kind}-{digest}.json"
