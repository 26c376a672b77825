"""Step 8, monitoring: a champion held against what it is asked and what came true of it.

Owns the order in which that is found out, and that it is forgotten in time. Refuses to measure
(`served` does), to judge (`findings` does) and to draw.
"""

import logging
from datetime import timedelta
from pathlib import Path

import polars as pl

from tasks.core.checks import Check
from tasks.core.errors import PerennialError, first_line
from tasks.core.steps import step
from tasks.evaluation.evaluate import choose_slices
from tasks.monitoring.alert_deduplication import SentAlerts, raise_causes, remember_look
from tasks.monitoring.context import MonitoringContext, ServedRows, look_at_log
from tasks.monitoring.daily_profiles import forget_stretches
from tasks.monitoring.drift import ServedDrift, watch_drift
from tasks.monitoring.findings import MonitoringResult, find_causes
from tasks.monitoring.ground_truth_join import GroundTruth, join_outcomes
from tasks.monitoring.new_data import NewData, find_arrivals
from tasks.monitoring.performance import Performance, judge_answers
from tasks.monitoring.prediction_log import forget_pieces
from tasks.monitoring.reference import ChampionReference, recall_promise
from tasks.monitoring.service_health import (
    ServiceHealth,
    check_served,
    check_tables,
    look_at_service,
)
from tasks.monitoring.skew import SAMPLE, Skew, measure_skew, sample_rows
from tasks.monitoring.staleness import Staleness, look_behind
from tasks.registry.overview import describe_model
from tasks.serving.request_counts import forget_counters
from tasks.storage.store import open_store

log = logging.getLogger("perennial.monitoring")


@step("prediction log")
def read_asked(watch: MonitoringContext, folder: Path) -> ServedRows:
    """Gather what was asked and answered, and forget what is no longer to be kept."""
    store, model = open_store(watch.root), watch.definition.name
    asked = look_at_log(watch, store, folder)
    kept_since = watch.now - watch.definition.serving.log_keep - timedelta(days=1)
    for forget in (forget_pieces, forget_stretches, forget_counters):
        forget(store, model, min(asked.since, kept_since))
    log.info("%s rows logged, %d versions", f"{sum(asked.rows.values()):,}", len(asked.rows))
    return asked


@step("outcomes")
def read_outcomes(watch: MonitoringContext, asked: ServedRows, folder: Path) -> GroundTruth:
    """Join answers to what came true."""
    classes, slices = (
        watch.champion.vocabulary.classes,
        choose_slices(watch.definition, watch.features, watch.champion.vocabulary),
    )
    outcomes = join_outcomes(watch, classes, slices, asked.log, folder)
    log.info("%s of %s answers have a label", f"{outcomes.labelled:,}", f"{outcomes.rows:,}")
    return outcomes


@step("quality")
def measure_quality(
    watch: MonitoringContext, asked: ServedRows, outcomes: GroundTruth, folder: Path
) -> Performance:
    """Measure and estimate quality, beside what the holdout promised."""
    promise, problem = _promise(watch, folder)
    judged = judge_answers(watch, asked, outcomes, promise, problem)
    if judged.quality is not None:
        log.info("%s", judged.quality.detail)
    return judged


@step("yardstick")
def measure_behind(watch: MonitoringContext) -> Staleness:
    """Hold the champion against a quick model of what is known by now."""
    found = look_behind(watch, open_store(watch.root))
    if found.lost:
        log.info("%s", found.lost)
    return found


@step("drift")
def measure_drifted(watch: MonitoringContext, asked: ServedRows, folder: Path) -> ServedDrift:
    """Compare inputs and predictions with those of the champion's history."""
    promise, problem = _promise(watch, folder)
    return watch_drift(watch, asked, promise, problem, open_store(watch.root))


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
    """Hold served rows to the data contract."""
    tables = check_tables(watch, open_store(watch.root))
    return (*check_served(watch, asked, outcomes), *tables)


@step("service")
def read_service(watch: MonitoringContext, asked: ServedRows) -> ServiceHealth:
    """Read what the service counted."""
    return look_at_service(watch, asked, open_store(watch.root))


@step("arrivals")
def read_arrivals(watch: MonitoringContext) -> NewData | None:
    """See whether the sources hold what is worth a retrain."""
    if watch.problem:
        return None
    try:
        return find_arrivals(watch, watch.champion)
    except PerennialError as error:
        return NewData(champion=watch.version, problem=first_line(error))


@step("events")
def tell_causes(found: MonitoringResult) -> tuple[SentAlerts, ...]:
    """Tell Prefect what was found, each cause once."""
    store, model = open_store(found.watch.root), found.watch.definition.name
    causes, as_of = list(find_causes(found)), found.watch.asked or found.watch.now
    waiting = describe_model(store, model)["waiting"][:1] if causes else []
    raised = tuple(raise_causes(store, model, causes, as_of, "".join(waiting)))
    remember_look(store, model, as_of)
    for each in raised:
        log.info("%s %s: %s", each.state, each.kind, each.reason)
    return raised


def _promise(watch: MonitoringContext, folder: Path) -> tuple[ChampionReference | None, str]:
    """Recall what the champion promised, or say why that cannot be had."""
    try:
        return recall_promise(watch.champion, folder), ""
    except PerennialError as error:
        return None, first_line(error)
