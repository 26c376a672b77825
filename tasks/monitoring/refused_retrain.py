"""A retrain that an alert started and the gate refused: nothing mends what was found, but a person.

Responsible for whether the newest version came after the alert and was refused. Not responsible for
alerts (`findings`), nor for what a person does about it.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol

from tasks.core.checks import say_failed
from tasks.monitoring.alert_deduplication import RETRAINING
from tasks.monitoring.looks import Look, has_new_alert, list_looks, read_looks
from tasks.registry.versions import Published, list_versions, read_json
from tasks.storage.store import Store

BACK = 20  # looks with a new alert among which the one that started a retrain is looked for


class _Told(Protocol):
    @property
    def kind(self) -> str: ...

    @property
    def state(self) -> str: ...


def find_refused(store: Store, model: str, champion: str, alerts: Iterable[_Told]) -> str:
    """Say which version was refused after these alerts were sent, and why; or nothing."""
    if not any(map(asks_retrain, alerts := list(alerts))):
        return ""
    names = [name for name in list_looks(store, model) if has_new_alert(name)][-BACK:]
    raised = when_raised([*read_looks(store, model, names).values()], champion, alerts)
    newest = made_since(list_versions(store, model).values(), raised)
    if newest is None:
        return ""
    verdict = read_json(store, newest, "verdict.json")
    if verdict["passed"]:
        return ""
    return f"{newest.version}: {say_failed(verdict['checks'])}"


def asks_retrain(alert: _Told) -> bool:
    """Tell whether an alert was sent to those who retrain."""
    return alert.kind in RETRAINING and alert.state in ("raised", "known")


def when_raised(looks: Sequence[Look], champion: str, alerts: Iterable[_Told]) -> datetime | None:
    """Find when one of these alerts on a champion was sent last, by its looks in their order."""
    kinds = {each.kind for each in alerts if asks_retrain(each)}
    for look in reversed(looks):
        if look.champion != champion:
            return None
        if any(each.state == "raised" and each.kind in kinds for each in look.alerts):
            return look.at
    return None


def made_since(versions: Iterable[Published], time: datetime | None) -> Published | None:
    """Find the version that was published last, if that was after a time."""
    newest = max(versions, key=lambda each: each.manifest.time, default=None)
    return newest if newest and time and newest.manifest.time > time else None
