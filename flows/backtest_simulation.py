"""The simulation of a backtest: each policy on its own way through the same past.

A policy's champion predicts what comes in, the policy looks at what was known by then, and where
it asks for a retrain, a candidate that passes its gate takes over. Not responsible for measuring
what came of it (`tasks/backtest/replay`).
"""

import logging
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl

from bentos.model import Model
from flows.backtest_candidates import (
    LaneChampion,
    Past,
    list_failed,
    load_champion,
    make_or_share,
    promote,
    recall,
)
from tasks.alarms.drift_decision import list_ringing
from tasks.backtest.policies import Policy, has_enough_new, look_for_drift
from tasks.backtest.replay import Retrain, compare_promoted
from tasks.core.columns import CHALLENGER_PREDICTION, PREDICTION, TARGET, TIME
from tasks.core.definition import Definition
from tasks.core.pinball import rearrange
from tasks.evaluation.metrics import Array
from tasks.monitoring.challenger import Challenger, train_challenger
from tasks.monitoring.staleness import look_for_loss
from tasks.storage.store import Store
from tasks.training.published_model import as_column
from tasks.validation.champion_predictions import match_classes

log = logging.getLogger("perennial.backtest")


@dataclass
class Lane:
    """One policy on its way through the past, up to `since`; `answers` are to its rows.

    `intervals` are those of the answers, where champions give any; shape (rows, 2).
    """

    policy: Policy
    store: Store
    champion: LaneChampion
    answers: Array
    thresholds: Array
    since: datetime
    intervals: Array | None = None
    challenger: Challenger | None = None
    watching: float = 0.0
    retrains: list[Retrain] = field(default_factory=list)
    broken: int = 0


def visit(past: Past, lane: Lane, now: datetime) -> None:
    """Serve what came in since the last look, then retrain if the policy asks for it."""
    answer_until(past, lane, now)
    reason = ask(past, lane, now) if now < past.dates[-1] else ""
    if reason:
        log.info("%s %s: %s", lane.policy, f"{now:%Y-%m-%d}", reason)
        lane.retrains.append(retrain_lane(past, lane, now, reason))


def answer_until(past: Past, lane: Lane, now: datetime) -> None:
    """Let the champion answer the rows that nobody has answered yet, by serving's own code."""
    rows = past.between(lane.since, now)
    lane.since = now
    if rows.start == rows.stop:
        return
    predicted = answer(past, lane.champion, rows)
    if predicted.ndim != lane.answers.ndim:
        lane.answers = np.full((len(lane.answers), predicted.shape[1]), np.nan)
    lane.answers[rows] = predicted
    if past.definition.chooses:
        lane.thresholds[rows] = lane.champion.model.definition.threshold
    model = lane.champion.model
    if model.interval is not None:
        if lane.intervals is None:
            lane.intervals = np.full((len(lane.answers), 2), np.nan)
        matrix = model.encode_frame(past.rows[rows])
        lane.intervals[rows] = model.interval.predict(matrix, predicted)


def answer(past: Past, champion: LaneChampion, rows: slice) -> Array:
    model = champion.model
    predicted = model.predictor.predict(model.encode_frame(past.rows[rows]))
    return match_classes(predicted, model.vocabulary.classes, past.classes)


def ask(past: Past, lane: Lane, now: datetime) -> str:
    """Ask a policy whether to retrain; it says why, or nothing."""
    if lane.policy == "schedule":
        return "it is time" if now in past.dates else ""
    champion = lane.champion
    enough = has_enough_new(past.definition, champion.learned, champion.matured, past.rows, now)
    if lane.policy == "never" or not enough:
        return ""
    return ask_drift(past, lane, now) if lane.policy == "drift" else ask_quality(past, lane, now)


def ask_drift(past: Past, lane: Lane, now: datetime) -> str:
    """Ask the alarms about the champion's last window; nobody retrains on what seems broken."""
    rows, calibration = (
        past.between(lane.champion.since, now),
        recall(past, lane.store, lane.champion.published).calibration(),
    )
    assert calibration is not None, "rows without a time have no past to replay"
    served = past.rows[rows].with_columns(as_column(lane.answers[rows]).alias(PREDICTION))
    features = lane.champion.model.features
    alarms = look_for_drift(past.definition, features, calibration, served, now)
    ringing = list_ringing(alarms)
    lane.broken += any(each.kind == "data-broken" for each in ringing)
    moved = [each.detail for each in ringing if each.kind == "distribution-moved"]
    return moved[0] if moved else ""


def ask_quality(past: Past, lane: Lane, now: datetime) -> str:
    """Compare the champion with a challenger, trained anew when there is enough new to learn."""
    definition, challenger = past.definition, lane.challenger
    if challenger is not None:
        rows, model = past.between(challenger.as_of, now), lane.champion.model
        asked = past.rows[rows]
        predicted = challenger.predict(model.features, model.vocabulary, asked)
        quick = rearrange(definition.pinball, predicted)
        served = asked.with_columns(
            as_column(lane.answers[rows]).alias(PREDICTION),
            as_column(quick).alias(CHALLENGER_PREDICTION),
        )
        settled = settle(definition, model)
        if lost := look_for_loss(settled, served, now):
            return lost
        matured = challenger.as_of - definition.target.matures_after
        if not has_enough_new(definition, challenger.learned, matured, past.rows, now):
            return ""
    begun = time.monotonic()
    lane.challenger = learn_challenger(past, lane.champion.model, now)
    lane.watching += time.monotonic() - begun
    return ""


def settle(definition: Definition, model: Model) -> Definition:
    """Give a definition that leaves its threshold open the one that a version chose."""
    return definition.settle(model.definition.threshold) if definition.chooses else definition


def learn_challenger(past: Past, model: Model, now: datetime) -> Challenger:
    """Train a challenger on every label that is known by now."""
    definition = past.definition
    matured = now - definition.target.matures_after
    known = past.rows.filter(pl.col(TIME) <= matured, pl.col(TARGET).is_not_null())
    if definition.extract.window is not None:
        known = known.filter(pl.col(TIME) > now - definition.extract.window)
    classes = len(past.classes)
    return train_challenger(definition, model.features, model.vocabulary, classes, known, now)


def retrain_lane(past: Past, lane: Lane, now: datetime, reason: str) -> Retrain:
    """Make a candidate as of now; where it passes its gate it takes over."""
    made, seconds = make_or_share(past, lane.store, now, lane.champion.published)
    if isinstance(made, str):
        return Retrain(
            as_of=now, reason=reason, version=None, promoted=False, refused=made, seconds=seconds
        )
    told: dict[str, Any] = {"as_of": now, "reason": reason, "version": made.version}
    if refused := list_failed(lane.store, made):
        return Retrain(**told, promoted=False, refused=refused, seconds=seconds)
    promote(past, lane.store, made)
    replaced, lane.champion = lane.champion, load_champion(lane.store, made, now)
    lane.challenger = None
    rows = past.between(now, past.compared_until(now))
    ours, theirs = (answer(past, each, rows) for each in (lane.champion, replaced))
    settled = settle(past.definition, lane.champion.model)
    own = replaced.model.definition.threshold if past.definition.chooses else None
    gain, worse = compare_promoted(settled, past.rows[rows], ours, theirs, own)
    return Retrain(**told, promoted=True, refused="", seconds=seconds, gain=gain, worse=worse)
