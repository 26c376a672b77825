"""Backtest: a stretch of history replayed as if live, under several policies of retraining.

1. History: the rows that were asked, with what came true of them, read once.
2. First model: made as of the beginning, the champion of every policy.
3. Replay: look by look, each policy's champion answers what came in; the policy judges by what was
   known then; where it asks for a retrain, the real steps make a candidate, and what passes its
   gate is the champion from then on.
4. Report: quality by period, retrains, promotions, refusals and seconds, side by side.

Each policy has a registry of its own in the run's work folder; the user's gets the report only.
Retrains that policies share (as of the same time, against the same champion) are made once.
"""

import logging
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from prefect import flow
from prefect.artifacts import create_markdown_artifact

from bentos.model import Model, load_folder
from flows.retrain import make_candidate, plan_retrain
from tasks.champion import read_recipe
from tasks.comparison import draw_comparison
from tasks.decisions import Decision, record_approval, record_release
from tasks.definition import Definition, find_definition, load_definition
from tasks.errors import DataRefused, DefinitionError, first_line
from tasks.labels import TIME
from tasks.metrics import Array
from tasks.plan import Plan
from tasks.policies import (
    Policy,
    has_enough_new,
    look_for_drift,
    look_for_loss,
    parse_policies,
)
from tasks.promised import Promise, as_column, recall_promise
from tasks.registry import (
    Published,
    find,
    publish,
    read_json,
    snapshot_path,
)
from tasks.replay import (
    Replay,
    Retrain,
    Track,
    average_periods,
    compare_promoted,
    describe_replay,
    list_dates,
    list_looks,
    measure_periods,
    read_history,
)
from tasks.store import Store, open_store, work_folder
from tasks.windows import PREDICTION

log = logging.getLogger("perennial.backtest")

APPROVER = "backtest (gate passed)"


@dataclass(frozen=True)
class Champion:
    """A champion in one policy's registry: what answers, what it learned, when it took over."""

    published: Published
    model: Model
    learned: int
    matured: datetime
    since: datetime


@dataclass
class Lane:
    """One policy on its way through history. `answers` are to the rows of history, in order."""

    policy: Policy
    store: Store
    champion: Champion
    answers: Array
    retrains: list[Retrain] = field(default_factory=list)
    broken: int = 0


@dataclass
class Past:
    """What all lanes share: the rows, the dates, and the candidates that were made already."""

    model: str
    plan: Plan
    history: pl.DataFrame
    dates: Sequence[datetime]
    folder: Path
    made: dict[tuple[datetime, str], tuple[Store, Published | str, float]] = field(
        default_factory=dict
    )
    promises: dict[str, Promise] = field(default_factory=dict)

    @property
    def definition(self) -> Definition:
        return self.plan.definition

    def between(self, start: datetime, end: datetime) -> slice:
        """Find the rows after one time, up to another."""
        times = self.history[TIME]
        ends = [int(times.search_sorted(each, side="right")) for each in (start, end)]
        return slice(*ends)


@flow(name="backtest")
def backtest(
    model: str,
    start: datetime,
    end: datetime,
    every: str = "1mo",
    policies: str = "never,schedule,drift,quality",
) -> dict[str, Any]:
    """Replay a model's history between two times, and compare policies of retraining."""
    begun = time.monotonic()
    named, (first, last) = parse_policies(policies), map(_in_utc, (start, end))
    dates = list_dates(first, last, every)
    refuse_timeless(model, last)
    plan = plan_retrain(model, last)
    store = open_store(plan.root)
    with work_folder(store) as folder:
        past = Past(model, plan, read_history(plan, first, last), dates, folder)
        lanes = open_lanes(past, named)
        for look in list_looks(dates, plan.definition.monitoring.window):
            for lane in lanes:
                visit(past, lane, look)
        replay = describe_lanes(past, lanes, every, time.monotonic() - begun)
        report = keep_report(store, replay, folder / "report")
    create_markdown_artifact(
        key=f"backtest-{plan.definition.name}", markdown=draw_comparison(replay)["report.md"]
    )
    return describe_replay(replay, report)


def refuse_timeless(model: str, end: datetime) -> None:
    """Refuse rows that carry no time, and a time that has not come."""
    if load_definition(find_definition(model)).extract.time is None:
        raise DefinitionError(f"{model}: backtest needs [extract] time: its rows carry no time")
    if end > datetime.now(UTC):
        raise DefinitionError(f"--to {end:%Y-%m-%d %H:%M} UTC is in the future")


def open_lanes(past: Past, policies: Sequence[Policy]) -> list[Lane]:
    """Make the first model, and let every policy begin with it."""
    start = past.dates[0]
    lanes: list[Lane] = []
    for policy in policies:
        store = open_store(str(past.folder / policy))
        published, _ = make_or_share(past, store, start, None)
        why = published if isinstance(published, str) else list_failed(store, published)
        if isinstance(published, str) or why:
            raise DataRefused(f"--from {start:%Y-%m-%d}: no first model: {why}")
        promote(past, store, published)
        answers = np.full(len(past.history), np.nan)
        lanes.append(Lane(policy, store, load_champion(store, published, start), answers))
    return lanes


def visit(past: Past, lane: Lane, now: datetime) -> None:
    """Serve what came in since the last look, then retrain if the policy asks for it."""
    answer_until(past, lane, now)
    reason = ask(past, lane, now) if now < past.dates[-1] else ""
    if reason:
        log.info("%s %s: %s", lane.policy, f"{now:%Y-%m-%d}", reason)
        lane.retrains.append(retrain_lane(past, lane, now, reason))


def answer_until(past: Past, lane: Lane, now: datetime) -> None:
    """Let the champion answer the rows that nobody has answered yet, by serving's own code."""
    answered = np.isnan(lane.answers.reshape(len(lane.answers), -1)[:, 0])
    begin = int(answered.argmax()) if answered.any() else len(answered)
    rows = slice(begin, past.between(past.dates[0], now).stop)
    predicted = answer(past, lane.champion, rows)
    if predicted.ndim != lane.answers.ndim:
        lane.answers = np.full((len(lane.answers), predicted.shape[1]), np.nan)
    lane.answers[rows] = predicted


def answer(past: Past, champion: Champion, rows: slice) -> Array:
    model = champion.model
    return model.predictor.predict(model.number_frame(past.history[rows]))


def ask(past: Past, lane: Lane, now: datetime) -> str:
    """Ask a policy whether to retrain; it says why, or nothing."""
    if lane.policy == "schedule":
        return "it is time" if now in past.dates else ""
    if lane.policy == "never":
        return ""
    champion, definition = lane.champion, past.definition
    rows = past.between(champion.since, now)
    served = past.history[rows].with_columns(as_column(lane.answers[rows]).alias(PREDICTION))
    promise = recall(past, lane)
    enough = has_enough_new(definition, champion.learned, champion.matured, past.history, now)
    if lane.policy == "quality":
        lost = look_for_loss(definition, promise.holdout(), served, now)
        return lost.detail if lost and enough else ""
    calibration = promise.calibration()
    assert calibration is not None, "rows without a time have no history to replay"
    alarms = look_for_drift(definition, champion.model.features, calibration, served, now)
    broken = [each for each in alarms if each.kind == "data-broken"]
    lane.broken += bool(broken)
    moved = [each.detail for each in alarms if each.kind == "distribution-moved"]
    return moved[0] if moved and enough and not broken else ""


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
    until = next(date for date in past.dates if date > now)
    rows = past.between(now, until)
    ours, theirs = (answer(past, each, rows) for each in (lane.champion, replaced))
    gain, worse = compare_promoted(past.definition, past.history[rows], ours, theirs)
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
    approval = record_approval(store, decision, published)
    record_release(store, approval, decision.model, bento="")


def load_champion(store: Store, published: Published, since: datetime) -> Champion:
    lineage = read_json(store, published, "lineage.json")
    rows = lineage["rows"]
    return Champion(
        published=published,
        model=load_folder(Path(store.root, published.path)),
        learned=sum(rows.values()) if lineage["refit"] else rows["fit"] + rows["stop"],
        matured=datetime.fromisoformat(lineage["split"]["matured"]),
        since=since,
    )


def recall(past: Past, lane: Lane) -> Promise:
    """Recall what the champion promised: worked out once for all policies that have it."""
    published = lane.champion.published
    if published.digest not in past.promises:
        recipe = read_recipe(lane.store, published, published.version)
        with work_folder(lane.store) as folder:
            past.promises[published.digest] = recall_promise(lane.store, published, recipe, folder)
    return past.promises[published.digest]


def describe_lanes(past: Past, lanes: Sequence[Lane], every: str, seconds: float) -> Replay:
    """Measure what every policy's champions answered."""
    definition, tracks = past.definition, []
    for lane in lanes:
        answered = past.history.with_columns(as_column(lane.answers).alias(PREDICTION))
        periods = measure_periods(definition, answered, past.dates)
        tracks.append(
            Track(
                policy=lane.policy,
                periods=periods,
                mean=average_periods(periods),
                retrains=tuple(lane.retrains),
                broken=lane.broken,
            )
        )
    return Replay(
        model=definition.name,
        start=past.dates[0],
        end=past.dates[-1],
        every=every,
        metric=definition.metric,
        second=definition.second_metric,
        first=next(iter(past.made.values()))[1].version,  # type: ignore[union-attr]
        tracks=tuple(tracks),
        seconds=seconds,
    )


def keep_report(store: Store, replay: Replay, folder: Path) -> str:
    """Keep the report under the user's root; an older one of the same stretch stays."""
    folder.mkdir()
    for name, text in draw_comparison(replay).items():
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "replay.json").write_text(replay.model_dump_json(indent=1), encoding="utf-8")
    stamp = f"{replay.start:%Y%m%d}-{replay.end:%Y%m%d}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    published = publish(store, folder, f"backtests/{replay.model}/{stamp}")
    return f"{store.root}/{published.path_of('report.html')}"


def _in_utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
