"""Alert deduplication: each alert is sent once, and again only if no server took it.

An alert is remembered after it was sent, so that a kill in between sends it twice and never loses
it. A look as of before the newest one sends nothing. Sent alerts are kept under
`monitoring/NAME/raised/`. Not responsible for what is an alert (`findings`).
"""

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from tasks.core.definition import Frozen
from tasks.core.errors import EventLost, first_line
from tasks.monitoring.events import AlertKind, emit
from tasks.storage.store import Store, reaching

State = Literal["raised", "known", "held back", "not heard"]
RETRAINING: tuple[AlertKind, ...] = ("new-data", "quality-lost", "distribution-moved")
_WAITS = "waits for a decision"


class Alert(Frozen):
    """What a person or an automation is told; one with the same kind and `key` is the same one.

    `cause` says why, where that is known.
    """

    kind: AlertKind
    reason: str
    key: str
    found: dict[str, Any]
    cause: str = Field(default="", exclude_if=lambda cause: not cause)


class SentAlert(Frozen):
    """What became of an alert: sent now, known already, held back, or not taken by the server."""

    kind: AlertKind
    reason: str
    key: str
    state: State
    detail: str = ""
    cause: str = Field(default="", exclude_if=lambda cause: not cause)

    @property
    def waits(self) -> bool:
        """Tell whether a candidate's decision is all that this alert waits for."""
        return self.state == "held back" and self.detail.endswith(_WAITS)


def send_once(
    store: Store, model: str, alerts: Iterable[Alert], as_of: datetime, waiting: str
) -> Iterator[SentAlert]:
    """Send each alert once. After one that the server did not take, the server is not asked again.

    Alerts that retrain are suppressed while a candidate, named by `waiting`, awaits approval.
    """
    failed, later = "", _find_later(store, model, as_of)
    for alert in alerts:
        sent = _hold_back(store, model, alert, later, waiting) or (
            _describe(alert, "not heard", failed) if failed else _send(store, model, alert)
        )
        failed = failed or (sent.detail if sent.state == "not heard" else "")
        yield sent


def remember_look(store: Store, model: str, as_of: datetime) -> None:
    """Remember the as-of time of the newest look."""
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
    store: Store, model: str, alert: Alert, later: datetime | None, waiting: str
) -> SentAlert | None:
    with reaching(store.root):
        if store.read_many([_path(model, alert)]):
            return _describe(alert, "known")
    if later is not None:
        detail = f"the past: the newest look was as of {later:%Y-%m-%d %H:%M} UTC"
        return _describe(alert, "held back", detail)
    if waiting and alert.kind in RETRAINING:
        return _describe(alert, "held back", f"{waiting} {_WAITS}")
    return None


def _send(store: Store, model: str, alert: Alert) -> SentAlert:
    try:
        emit(model, alert.kind, alert.reason, alert.key, found=alert.found)
    except EventLost as error:
        return _describe(alert, "not heard", first_line(error))
    with suppress(FileExistsError), reaching(store.root):  # or another run told it just now
        store.create(_path(model, alert), alert.model_dump_json().encode())
    return _describe(alert, "raised")


def _describe(alert: Alert, state: State, detail: str = "") -> SentAlert:
    said = alert.model_dump(include={"kind", "reason", "key", "cause"})
    return SentAlert(**said, state=state, detail=detail)


def _newest(model: str) -> str:
    return f"monitoring/{model}/raised/newest-look"


def _path(model: str, alert: Alert) -> str:
    digest = hashlib.sha256(alert.key.encode()).hexdigest()[:16]
    return f"monitoring/{model}/raised/{alert.kind}-{digest}.json"
