"""Lanes: each policy on its own way through the same past, with a registry of its own.

Owns what a policy's champion answers, what the policy is told, and what follows when it asks for a
retrain. The steps, the gate, the ledger and the answers are the real ones. Refuses to measure what
came of it.
"""

import logging
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from bentos.model import Model, load_folder
from flows.retrain import make_candidate, plan_retrain
from tasks.alarms.drift_decision import list_ringing
from tasks.alarms.histograms import RECENT
from tasks.backtest.replay import Retrain, compare_promoted
from tasks.core.columns import CHALLENGER_PREDICTION, PREDICTION, TARGET, TIME
from tasks.core.definition import Definition
from tasks.core.errors import DataRefused, SourceChanged, first_line
from tasks.evaluation.metrics import Array
from tasks.extraction.run_plan import Plan
from tasks.monitoring.challenger import Challenger, make_yardstick
from tasks.monitoring.reference import ChampionReference, recall_promise
from tasks.monitoring.retrain_triggers import Policy, has_enough_new, look_for_drift, look_for_loss
from tasks.registry.decisions import Decision, record, record_release
from tasks.registry.versions import Published, find, read_json, snapshot_path
from tasks.storage.store import Store, work_folder
from tasks.training.published_model import as_column, load
from tasks.validation.champion_predictions import match_classes

log = logging.getLogger("perennial.backtest")

APPROVER = "backtest (gate passed)"


@dataclass(frozen=True)
class LaneChampion:
    """A champion in one policy's registry: what answers, what it learned, when it took over."""

    published: Published
    model: Model
    learned: int
    matured: datetime
    since: datetime


@dataclass
class Lane:
    """One policy on its way through the past, up to `since`; `answers` are to its rows."""

    policy: Policy
    store: Store
    champion: LaneChampion
    answers: Array
    since: datetime
    yardstick: Challenger | None = None
    watching: float = 0.0
    retrains: list[Retrain] = field(default_factory=list)
    broken: int = 0


@dataclass
class Past:
    """What all lanes share: the rows, the dates, and the candidates that were made already.

    Targets and answers are by the `classes` of all rows: a champion may not know all of them yet.
    """

    model: str
    plan: Plan
    rows: pl.DataFrame
    classes: tuple[str, ...]
    dates: Sequence[datetime]
    folder: Path
    made: dict[tuple[datetime, str], tuple[Store, Published | str, float]] = field(
        default_factory=dict
    )
    promises: dict[str, ChampionReference] = field(default_factory=dict)

    @property
    def definition(self) -> Definition:
        return self.plan.definition

    def compared_until(self, now: datetime) -> datetime:
        """Find the calendar date up to which a model promoted now is compared with the old one.

        Two days would say nothing.
        """
        least = now + RECENT * self.definition.monitoring.window
        return next((date for date in self.dates if date >= least), self.dates[-1])

    def between(self, start: datetime, end: datetime) -> slice:
        """Find the rows after one time, up to another."""
        times = self.rows[TIME]
        ends = [int(times.search_sorted(each, side="right")) for each in (start, end)]
        return slice(*ends)


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


def answer(past: Past, champion: LaneChampion, rows: slice) -> Array:
    model = champion.model
    predicted = model.predictor.predict(model.number_frame(past.rows[rows]))
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
    rows, calibration = past.between(lane.champion.since, now), recall(past, lane).calibration()
    assert calibration is not None, "rows without a time have no past to replay"
    served = past.rows[rows].with_columns(as_column(lane.answers[rows]).alias(PREDICTION))
    features = lane.champion.model.features
    alarms = look_for_drift(past.definition, features, calibration, served, now)
    ringing = list_ringing(alarms)
    lane.broken += any(each.kind == "data-broken" for each in ringing)
    moved = [each.detail for each in ringing if each.kind == "distribution-moved"]
    return moved[0] if moved else ""


def ask_quality(past: Past, lane: Lane, now: datetime) -> str:
    """Hold the champion against a yardstick, made anew whenever there is enough new to learn."""
    definition, yardstick = past.definition, lane.yardstick
    if yardstick is not None:
        rows, model = past.between(yardstick.as_of, now), lane.champion.model
        asked = past.rows[rows]
        quick = yardstick.predict(model.features, model.vocabulary, asked)
        served = asked.with_columns(
            as_column(lane.answers[rows]).alias(PREDICTION),
            as_column(quick).alias(CHALLENGER_PREDICTION),
        )
        if lost := look_for_loss(definition, served, now):
            return lost
        matured = yardstick.as_of - definition.target.matures_after
        if not has_enough_new(definition, yardstick.learned, matured, past.rows, now):
            return ""
    begun = time.monotonic()
    lane.yardstick = learn_yardstick(past, lane.champion.model, now)
    lane.watching += time.monotonic() - begun
    return ""


def learn_yardstick(past: Past, model: Model, now: datetime) -> Challenger:
    """Train a quick model on every label that is known by now, numbered as the champion does."""
    definition = past.definition
    matured = now - definition.target.matures_after
    known = past.rows.filter(pl.col(TIME) <= matured, pl.col(TARGET).is_not_null())
    if definition.extract.window is not None:
        known = known.filter(pl.col(TIME) > now - definition.extract.window)
    classes = len(past.classes)
    return make_yardstick(definition, model.features, model.vocabulary, classes, known, now)


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
    lane.yardstick = None
    rows = past.between(now, past.compared_until(now))
    ours, theirs = (answer(past, each, rows) for each in (lane.champion, replaced))
    gain, worse = compare_promoted(past.definition, past.rows[rows], ours, theirs)
    return Retrain(**told, promoted=True, refused="", seconds=seconds, gain=gain, worse=worse)


def list_failed(store: Store, published: Published) -> str:
    """Give what a candidate's gate found wrong with it."""
    checks = read_json(store, published, "verdict.json")["checks"]
    return "; ".join(each["detail"] for each in checks if not each["passed"])


def make_or_share(
    past: Past, store: Store, as_of: datetime, champion: Published | None
) -> tuple[Published | str, float]:
    """Make a candidate, or take the one that another policy made of the same; or say why not."""
    key = as_of, champion.version if champion else ""
    if key not in past.made:
        begun = time.monotonic()
        made = make(past, store, as_of)
        past.made[key] = store, made, time.monotonic() - begun
    owner, made, seconds = past.made[key]
    if isinstance(made, str) or owner is store:
        return made, seconds
    snapshot = read_json(owner, made, "lineage.json")["snapshot"]
    for path in (snapshot_path(snapshot), made.path):
        if find(store, path) is None:
            shutil.copytree(Path(owner.root, path), Path(store.root, path))
    shared = find(store, made.path)
    assert shared is not None
    return shared, seconds


def make(past: Past, store: Store, as_of: datetime) -> Published | str:
    """Run the steps of a retrain in a policy's own registry; no report is drawn."""
    plan = plan_retrain(past.model, as_of).model_copy(update={"root": store.root})
    for name, digest in plan.sources.items():
        if past.plan.sources[name] != digest:
            raise SourceChanged(f"[sources] {name} changed while it was replayed; run again")
    try:
        with work_folder(store) as folder:
            return make_candidate(plan, store, folder, lambda candidate: {})
    except DataRefused as refused:
        return first_line(refused)


def promote(past: Past, store: Store, published: Published) -> None:
    """Approve what passed, and name it the champion; no bento is built."""
    decision = Decision(
        model=past.definition.name,
        version=published.version,
        action="approve",
        approver=APPROVER,
    )
    approval = record(store, decision, published)
    record_release(store, approval, decision.model, bento="")


def load_champion(store: Store, published: Published, since: datetime) -> LaneChampion:
    made = load(store, published)
    assert made.split.matured is not None, "a replay needs rows with a time"
    return LaneChampion(
        published=published,
        model=load_folder(Path(store.root, published.path)),
        learned=made.learned,
        matured=made.split.matured,
        since=since,
    )


def recall(past: Past, lane: Lane) -> ChampionReference:
    """Recall what the champion promised: worked out once for all policies that have it."""
    published = lane.champion.published
    if published.digest not in past.promises:
        with work_folder(lane.store) as folder:
            past.promises[published.digest] = recall_promise(load(lane.store, published), folder)
    return past.promises[published.digest]
