"""What the monitor found: which findings are an alert, and which a person should know anyway.

Responsible for when a finding becomes an alert, and for the key that makes it the same alert at
the next look. Not responsible for measuring, nor for sending (`alert_deduplication`).
"""

import hashlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from tasks.alarms.drift_decision import list_ringing
from tasks.causes.cause_text import describe_causes
from tasks.causes.root_cause import RootCause
from tasks.core.checks import Check, failed
from tasks.core.definition import Frozen
from tasks.core.wording import list_few
from tasks.evaluation.prior_shift import describe_shift
from tasks.features.feature_tables import tabled_values
from tasks.monitoring.alert_deduplication import Alert, SentAlert
from tasks.monitoring.base_rate import BaseRate
from tasks.monitoring.context import MonitoringContext, ServedRows
from tasks.monitoring.drift import ServedDrift
from tasks.monitoring.ground_truth_join import GroundTruth
from tasks.monitoring.new_data import NewData
from tasks.monitoring.performance import Performance
from tasks.monitoring.root_causes import settle_causes
from tasks.monitoring.served_quantiles import list_off
from tasks.monitoring.service_health import ServiceHealth
from tasks.monitoring.skew import Skew
from tasks.monitoring.staleness import Staleness

_DIFFERENT = 0.01  # share of cells that may differ: sources are corrected later, a little
_NAMED = 3


class MonitoringResult(Frozen):
    """All that the monitor found out about a champion at one look.

    `refused` names the candidate of the retrain that alerts had started, if its gate refused it.
    """

    watch: MonitoringContext
    served: ServedRows
    ground_truth: GroundTruth
    performance: Performance
    staleness: Staleness
    drift: ServedDrift
    skew: Skew
    checks: tuple[Check, ...]
    service: ServiceHealth
    new_data: NewData | None
    base_rate: BaseRate | None = None
    alerts: tuple[SentAlert, ...] = ()
    refused: str = ""


def find_alerts(found: MonitoringResult) -> Iterator[Alert]:
    """Turn findings into alerts; an alert keeps its key within one window of one champion."""
    watch = found.watch
    place = (found.served.until - datetime(1970, 1, 1, tzinfo=UTC)) // watch.window

    def key(*parts: str) -> str:
        return "/".join([watch.version, *parts, str(place)])

    arrivals = found.new_data
    if arrivals is not None and arrivals.enough:
        numbers = arrivals.model_dump(mode="json")
        yield Alert(kind="new-data", reason=arrivals.reason, key=arrivals.key, found=numbers)
    quality, behind = found.performance.quality, found.staleness
    reasons = [behind.lost, quality.detail if quality is not None and quality.lost else ""]
    reasons += _find_uncovered(found)
    reasons += list_off(watch.definition, found.performance.quantiles)
    if any(reasons) and (shift := found.performance.prior_shift):
        reasons.append(describe_shift(shift))
    if any(reasons):
        numbers = quality.model_dump(mode="json") if quality else {}
        yield Alert(
            kind="quality-lost",
            reason="; ".join(filter(None, reasons)),
            key=key("quality-lost"),
            found={**numbers, "behind": behind.model_dump(mode="json")},
        )
    yield from _tell_alarms(found, key)
    for name, reason, numbers in _find_broken(found):
        digest = hashlib.sha256(name.encode()).hexdigest()[:8]
        yield Alert(
            kind="data-broken",
            reason=reason,
            key=key("data-broken", digest),
            found=numbers,
            cause=_explain_differences(found) if name.startswith("columns ") else "",
        )


def _tell_alarms(found: MonitoringResult, key: Callable[..., str]) -> Iterator[Alert]:
    causes = list_causes(found)
    told = {"causes": [each.model_dump(mode="json") for each in causes]} if causes else {}
    for alarm in list_ringing(found.drift.alarms):
        yield Alert(
            kind=alarm.kind,
            reason=alarm.detail,
            key=key(alarm.kind, alarm.name),
            found={**alarm.model_dump(mode="json"), **told},
            cause=describe_causes(causes),
        )


def list_causes(found: MonitoringResult) -> tuple[RootCause, ...]:
    """List why data looks broken, held against the sources where they could be compared."""
    return settle_causes(found.drift.causes, found.skew.columns)


def _explain_differences(found: MonitoringResult) -> str:
    """Say what made logged values of those that the sources hold, where it is one thing."""
    said = [
        f"{each.column} is {each.mapping.about} in {each.rows:,} of {each.compared:,} rows."
        for each in found.skew.columns
        if each.mapping is not None and each.share > _DIFFERENT
    ]
    return " ".join(said[:_NAMED])


def _find_uncovered(found: MonitoringResult) -> list[str]:
    """Say where intervals surely hold fewer rows than was asked for, by more than the margin."""
    margin = found.watch.definition.coverage_margin
    lost = [each for each in found.performance.coverage if each.is_lost(margin)]
    named = [f"{each.slice} = {each.level}" for each in lost if each.slice]
    whole = [each.detail for each in lost if not each.slice]
    if not named:
        return whole
    return [*whole, f"too few rows lie in their interval in {list_few(named, _NAMED)}"]


def warn_of(found: MonitoringResult) -> Iterator[str]:
    """List what a person should know although it is no alert."""
    yield from _warn_of_log(found.served)
    yield from _warn_of_ground_truth(found.ground_truth)
    if seen := found.performance.seen:
        yield f"{seen:,} predictions are about rows that the champion learned from"
    if shift := found.performance.prior_shift:
        yield describe_shift(shift)
    yield from filter(
        None, (found.ground_truth.problem, found.performance.problem, found.drift.problem)
    )
    for problem in (found.skew.prediction_problem, found.skew.column_problem):
        if problem and found.skew.rows:
            yield f"training/serving skew: {problem}"
    yield from _find_late(found)
    yield from _warn_of_service(found.service)


def _warn_of_log(asked: ServedRows) -> Iterator[str]:
    torn = asked.log.torn
    for path, reason in list(torn.items())[:_NAMED]:
        yield f"log part {path} {reason}; it was left out"
    if len(torn) > _NAMED:
        yield f"{len(torn) - _NAMED} more log parts could not be read"
    if asked.ahead:
        yield f"{asked.ahead:,} rows were logged by a clock that is ahead of this machine's"
    if asked.later:
        yield f"{asked.later:,} rows are about moments after {asked.until:%Y-%m-%d %H:%M} UTC"


def _warn_of_ground_truth(outcomes: GroundTruth) -> Iterator[str]:
    counted = {
        "again": "predictions were asked for again: the last before the event counts",
        "unknown": "predictions have a key that the sources do not hold",
        "keyless": "predictions came without the key that leads to what came true",
        "overdue": "predictions should have a label by now, and have none",
        "strange": "labels are of a class that the model does not know",
    }
    for name, words in counted.items():
        if count := getattr(outcomes, name):
            yield f"{count:,} {words}"


def _warn_of_service(service: ServiceHealth) -> Iterator[str]:
    if service.failing:
        yield f"{service.failed:,} of {service.answers:,} requests failed (5xx)"
    if service.counters and (lost := sum(service.counters.dropped.values())):
        yield f"{lost:,} rows could not be logged: look at the disk under the root"
    for path in service.damaged:
        yield f"{path} is damaged; it was left out"


def _find_late(found: MonitoringResult) -> Iterator[str]:
    """Say which looked-up values differ from the sources by now: feature tables lag a little."""
    values = tabled_values(found.watch.champion.definition)
    for each in found.skew.columns:
        if each.column in values and each.share > _DIFFERENT:
            yield (
                f"feature table {values[each.column]}: {each.share:.0%} of {each.column} were not "
                "what the sources say by now; materialise it more often"
            )


def _find_broken(found: MonitoringResult) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Name what a person must repair: sources, data contract, or training/serving skew."""
    if problem := found.watch.problem or (found.new_data and found.new_data.problem):
        yield "sources", f"the sources cannot be read: {problem}", {}
    if broken := failed(found.checks):
        named = list_few([f"{check.name}: {check.detail}" for check in broken], _NAMED, "; ")
        names = [check.name for check in broken]
        yield "contract " + " ".join(names), f"the contract is broken: {named}", {"checks": names}
    skew = found.skew.predictions
    if skew is not None and skew.rows:
        reason = (
            f"{skew.rows:,} of {skew.compared:,} predictions are not what the training path gives"
        )
        yield "skew", reason, skew.model_dump(mode="json")
    late = tabled_values(found.watch.champion.definition)
    differing = [
        each for each in found.skew.columns if each.share > _DIFFERENT and each.column not in late
    ]
    if differing:
        named = list_few([f"{each.column} ({each.share:.1%})" for each in differing], _NAMED)
        names = [each.column for each in differing]
        reason = f"logged rows differ from the sources: {named}"
        yield "columns " + " ".join(names), reason, {"columns": names}
