"""The monitor's looks, kept by their time: what one look found, small enough to keep a year of it.

Under `monitoring/NAME/looks/`, named by what a look is about (the newest row), by when it was made,
so that no look takes another's place, and by how many alerts were new. All looks of the last week
stay, all with a new alert, and of each day before the last one. Responsible for what is kept of a
look and for reading it again, without loading what measures. Not responsible for the look's page
(`reports`).
"""

import hashlib
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from pydantic import Field, ValidationError

from tasks.core.checks import failed
from tasks.core.columns import PREDICTION
from tasks.core.definition import Frozen
from tasks.core.errors import StoreError
from tasks.core.model_sections import HIGHER_IS_BETTER
from tasks.core.names import check_model
from tasks.storage.store import Store, reaching

if TYPE_CHECKING:
    from tasks.monitoring.findings import MonitoringResult
    from tasks.monitoring.performance import Performance

ALL_KEPT = timedelta(days=7)
_STAMP, _EXACT = "%Y%m%dT%H%M%SZ", "%Y%m%dT%H%M%S%fZ"
_NAME = re.compile(r"\d{8}T\d{6}Z-\d{8}T\d{12}Z-\d{1,4}\.json", re.ASCII)
_NEW = ("raised", "not heard")


class LiveQuality(Frozen):
    """The gate's metric on served rows with a label, and what the holdout had promised.

    `low` and `high` are how sure that is: what was promised, moved by the interval of the
    difference. Quality is lost where all of it is worse than what was promised, by more than the
    margin. Without them, `reason` says why nothing can be said yet.
    """

    metric: str
    rows: int = 0
    value: float | None = None
    promised: float | None = None
    low: float | None = None
    high: float | None = None
    lost: bool = False
    estimate: float | None = None
    reason: str = ""


class ColumnMove(Frozen):
    """How far a column lies from the training data (Hellinger, 0 to 1), and its importance."""

    column: str
    distance: float
    weight: float = 0.0
    alarm: bool = False


class LookAlert(Frozen):
    """What a look found that a person or an automation hears of."""

    kind: str
    reason: str
    state: str
    detail: str = ""
    cause: str = Field(default="", exclude_if=lambda cause: not cause)

    @property
    def is_new(self) -> bool:
        return self.state in _NEW


class Look(Frozen):
    """What one look found: made `at`, about rows up to `until`.

    `report` is the path of its page under the root. A later look about the same day writes another
    one there: `digest` is the SHA-256 of this look's own.
    """

    at: datetime
    until: datetime
    champion: str
    rows: int
    labelled: int
    quality: LiveQuality
    columns: tuple[ColumnMove, ...] = ()
    alerts: tuple[LookAlert, ...] = ()
    broken: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    report: str
    digest: str

    @property
    def name(self) -> str:
        """Name the look's file: sorted by name, the last look is about the newest rows."""
        until, at = self.until.astimezone(UTC), self.at.astimezone(UTC)
        return f"{until:{_STAMP}}-{at:{_EXACT}}-{sum(each.is_new for each in self.alerts)}"


def keep_look(
    store: Store, found: "MonitoringResult", warnings: Iterable[str], report: str
) -> Look:
    """Keep what a look found; `report` is the address of its page, which was written just now."""
    model, path = found.watch.definition.name, report.removeprefix(f"{store.root}/")
    with reaching(store.root):
        page = store.read(path)
    look = Look(
        at=datetime.now(UTC),
        until=found.served.until,
        champion=found.watch.version,
        rows=sum(found.served.rows.values()),
        labelled=found.ground_truth.labelled,
        quality=take_quality(found.watch.definition.metric, found.performance),
        columns=tuple(take_columns(found)),
        alerts=tuple(
            LookAlert(**each.model_dump(include=set(LookAlert.model_fields)))
            for each in found.alerts
        ),
        broken=tuple(check.name for check in failed(found.checks)),
        warnings=tuple(warnings),
        report=path,
        digest=hashlib.sha256(page).hexdigest(),
    )
    with reaching(store.root):
        store.create(_path(model, look.name), look.model_dump_json().encode())
        thin_out(store, model, look.at)
    return look


def take_quality(metric: str, judged: "Performance") -> LiveQuality:
    """Take the gate's metric out of a look, with its interval on the metric's own scale."""
    known: dict[str, Any] = {"metric": metric, "reason": judged.problem}
    if metric in judged.estimate:
        known["estimate"] = judged.estimate[metric]
    if (quality := judged.quality) is None:
        return LiveQuality(**known)
    known |= quality.model_dump(include={"rows", "value", "lost"})
    known |= {"promised": quality.holdout, "reason": quality.reason}
    gain, promised = quality.gain, quality.holdout
    if gain is None or promised is None or quality.value is None:
        return LiveQuality(**known)
    sign = 1 if metric in HIGHER_IS_BETTER else -1
    ends = sorted((promised + sign * gain.low, promised + sign * gain.high))
    return LiveQuality(**known, low=ends[0], high=ends[1])


def take_columns(found: "MonitoringResult") -> Iterable[ColumnMove]:
    """Take each column's distance out of a look, those that an alarm names marked."""
    named = {column for alarm in found.drift.alarms for column in alarm.columns}
    for each in found.drift.columns:
        if each.hellinger is not None:
            yield ColumnMove(
                column="prediction" if each.column == PREDICTION else each.column,
                distance=round(each.hellinger, 4),
                weight=round(found.drift.weights.get(each.column, 0.0), 4),
                alarm=each.column in named,
            )


def list_looks(store: Store, model: str) -> list[str]:
    """List the names of a model's looks, the one about the newest rows last."""
    with reaching(store.root):
        names = store.children(_folder(model))
    return [name.removesuffix(".json") for name in names if _NAME.fullmatch(name)]


def read_looks(store: Store, model: str, names: Iterable[str]) -> dict[str, Look]:
    """Read looks by name; one that is gone meanwhile is left out. StoreError for a damaged one."""
    paths = {_path(model, name): name for name in names if _NAME.fullmatch(f"{name}.json")}
    with reaching(store.root):
        found = store.read_many(paths)
    looks = {}
    for path, data in found.items():
        try:
            looks[paths[path]] = Look.model_validate_json(data)
        except ValidationError as error:
            raise StoreError(f"{store.root}/{path}: is damaged; remove it") from error
    return looks


def has_new_alert(name: str) -> bool:
    """Tell by a look's name whether it found something that was not told before."""
    return not name.endswith("-0")


def thin_out(store: Store, model: str, now: datetime) -> None:
    """Remove looks made more than a week ago, but for alerts and the last about each day."""
    days: dict[str, list[str]] = {}
    for name in list_looks(store, model):
        days.setdefault(name[:8], []).append(name)
    for names in days.values():
        for name in names[:-1]:
            if now - _made_at(name) > ALL_KEPT and not has_new_alert(name):
                store.remove(_path(model, name))


def _made_at(name: str) -> datetime:
    return datetime.strptime(name.split("-")[1], _EXACT).replace(tzinfo=UTC)


def _folder(model: str) -> str:
    return f"monitoring/{check_model(model)}/looks"


def _path(model: str, name: str) -> str:
    return f"{_folder(model)}/{name}.json"
