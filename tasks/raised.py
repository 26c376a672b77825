"""Which causes were told already: once each, and again only if nobody heard.

A cause is remembered after it was told, so that a kill in between tells it twice and never loses
it. Owns that memory, under `monitoring/NAME/raised/`. Refuses to know when something is worth it.
"""

import hashlib
from contextlib import suppress
from typing import Any, Literal

from tasks.definition import Frozen
from tasks.errors import EventLost, first_line
from tasks.events import Alert, emit
from tasks.store import Store, reaching

RETRAINING: tuple[Alert, ...] = ("new-data", "quality-lost", "distribution-moved")


class Cause(Frozen):
    """Something to tell. `key` makes it the same cause the next time that it is found."""

    kind: Alert
    reason: str
    key: str
    found: dict[str, Any]


class Raised(Frozen):
    """What became of a cause: told now, known already, held back, or not heard by the server."""

    kind: Alert
    reason: str
    key: str
    state: Literal["raised", "known", "held back", "not heard"]
    detail: str = ""


def raise_once(store: Store, model: str, cause: Cause, waiting: str) -> Raised:
    """Tell a cause once. None that retrains is told while a candidate waits for a decision."""
    fields = cause.model_dump(include={"kind", "reason", "key"})
    path = _path(model, cause)
    with reaching(store.root):
        known = bool(store.read_many([path]))
    if known:
        return Raised(**fields, state="known")
    if waiting and cause.kind in RETRAINING:
        return Raised(**fields, state="held back", detail=f"{waiting} waits for a decision")
    try:
        emit(model, cause.kind, cause.reason, cause.key, **cause.found)
    except EventLost as error:
        return Raised(**fields, state="not heard", detail=first_line(error))
    with suppress(FileExistsError), reaching(store.root):  # or another run told it just now
        store.create(path, cause.model_dump_json().encode())
    return Raised(**fields, state="raised")


def _path(model: str, cause: Cause) -> str:
    digest = hashlib.sha256(cause.key.encode()).hexdigest()[:16]
    return f"monitoring/{model}/raised/{cause.kind}-{digest}.json"
