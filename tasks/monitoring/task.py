"""Step 8, monitoring: Prefect's tasks for each thing that the monitor finds out about a champion.

`flows/monitor.py` calls them in order. What is kept under the root for the monitor is removed when
it is too old (`read_asked`). Not responsible for any measure or rule: the room's other modules are.
"""

import logging
from datetime import timedelta
from pathlib import Path

import polars as pl

from tasks.core.checks import Check
from tasks.core.errors import PerennialError, first_line
from tasks.core.steps import step
from tasks.evaluation.slices import choose_slices
from tasks.monitoring.alert_deduplication import SentAlert, remember_look, send_once
from tasks.monitoring.base_rate import BaseRate, describe_base_rate, follow_base_rate
from tasks.monitoring.context import MonitoringContext, ServedRows, look_at_log
from tasks.monitoring.drift import ServedDrift, watch_drift
from tasks.monitoring.findings import MonitoringResult, find_alerts
from tasks.monitoring.ground_truth_join import GroundTruth, join_ground_truth
from tasks.monitoring.log_pieces import forget_days
from tasks.monitoring.new_data import NewData, find_new_data
from tasks.monitoring.performance import Performance, measure_performance
from tasks.monitoring.reference import ChampionReference, recall_reference
from tasks.monitoring.root_causes import trace_causes
from tasks.monitoring.service_health import (
    ServiceHealth,
    check_served,
    check_tables,
    look_at_service,
)
from tasks.monitoring.skew import SAMPLE, Skew, measure_skew, sample_rows
from tasks.monitoring.staleness import Staleness, find_staleness
from tasks.registry.overview import describe_model
from tasks.storage.store import open_store

log = logging.getLogger("perennial.monitoring")


@step("prediction log")
def read_asked(watch: MonitoringContext, folder: Path) -> ServedRows:
    """Gather the logged predictions, and remove what is too old to be kept."""
    store, model = open_store(watch.root), watch.definition.name
    asked = look_at_log(watch, store, folder)
    kept_since = watch.now - watch.definition.serving.log_keep - timedelta(days=1)
    oldest = min(asked.since, kept_since)
    for kept in ("pieces", "stretches", "service"):
        forget_days(store, f"monitoring/{model}/{kept}", oldest)
    log.info("%s rows logged, %d versions", f"{sum(asked.rows.values()):,}", len(asked.rows))
    return asked


@step("ground truth")
def read_ground_truth(watch: MonitoringContext, asked: ServedRows, folder: Path) -> GroundTruth:
    """Join predictions to their labels."""
    classes = watch.champion.vocabulary.classes
    slices = choose_slices(watch.definition, watch.features, watch.champion.vocabulary)
    outcomes = join_ground_truth(watch, classes, slices, asked.log, folder)
    log.info("%s of %s predictions have a label", f"{outcomes.labelled:,}", f"{outcomes.rows:,}")
    return outcomes


@step("reference")
def read_reference(watch: MonitoringContext, folder: Path) -> ChampionReference | str:
    """Read the champion's holdout, reference profile and calibration, or say why there are none."""
    try:
        return recall_reference(watch.champion, folder)
    except PerennialError as error:
        return first_line(error)


@step("quality")
def measure_quality(
    watch: MonitoringContext,
    asked: ServedRows,
    outcomes: GroundTruth,
    reference: ChampionReference | str,
) -> Performance:
    """Measure and estimate quality, beside that of the holdout."""
    judged = measure_performance(watch, asked, outcomes, reference)
    if judged.quality is not None:
        log.info("%s", judged.quality.detail)
    return judged


@step("challenger")
def measure_staleness(watch: MonitoringContext) -> Staleness:
    """Compare the champion with a challenger: a quick model of what is known by now."""
    found = find_staleness(watch, open_store(watch.root))
    if found.lost:
        log.info("%s", found.lost)
    return found


@step("drift")
def measure_drift(
    watch: MonitoringContext, asked: ServedRows, reference: ChampionReference | str
) -> ServedDrift:
    """Compare inputs and predictions with those of the champion's history; say why they moved."""
    found = watch_drift(watch, asked, reference, open_store(watch.root))
    return trace_causes(watch, asked, reference, found)


@step("base rate")
def follow(watch: MonitoringContext, asked: ServedRows, outcomes: GroundTruth) -> BaseRate | None:
    """Write the next correction of a base rate that is followed."""
    found = follow_base_rate(watch, asked, outcomes)
    if found is not None:
        log.info("%s", describe_base_rate(found))
    return found


@step("skew")
def measure_skewed(watch: MonitoringContext, asked: ServedRows) -> Skew:
    """Take a sample of logged rows through the training path."""
    if watch.version not in asked.rows:
        return Skew()
    rows = asked.scan(watch, watch.version, watch.window)
    count = rows.select(pl.len()).collect().item()
    return measure_skew(watch, watch.champion, sample_rows(rows, count, SAMPLE))


@step("contract")
def check_contract(
    watch: MonitoringContext, asked: ServedRows, outcomes: GroundTruth
) -> tuple[Check, ...]:
    """Check served rows and feature tables by the data contract."""
    tables = check_tables(watch, open_store(watch.root))
    return (*check_served(watch, asked, outcomes), *tables)


@step("service")
def read_service(watch: MonitoringContext) -> ServiceHealth:
    """Read what the service counted."""
    return look_at_service(watch, open_store(watch.root))


@step("new data")
def read_new_data(watch: MonitoringContext) -> NewData | None:
    """Count the new labelled rows in the sources: whether a retrain is worth it."""
    if watch.problem:
        return None
    try:
        return find_new_data(watch, watch.champion)
    except PerennialError as error:
        return NewData(champion=watch.version, problem=first_line(error))


@step("events")
def send_alerts(found: MonitoringResult) -> tuple[SentAlert, ...]:
    """Send what was found to Prefect, each alert once."""
    store, model = open_store(found.watch.root), found.watch.definition.name
    alerts, as_of = list(find_alerts(found)), found.watch.asked or found.watch.now
    waiting = describe_model(store, model)["waiting"][:1] if alerts else []
    sent = tuple(send_once(store, model, alerts, as_of, "".join(waiting)))
    remember_look(store, model, as_of)
    for each in sent:
        log.info("%s %s: %s", each.state, each.kind, each.reason)
    return sent
