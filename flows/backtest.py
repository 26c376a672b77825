"""Backtest: a period of history replayed as if live, under several policies of retraining.

1. History: the rows that were asked, with what came true of them, read once.
2. First model: made as of the beginning, the champion of every policy.
3. Replay: look by look, each policy's champion answers what came in; the policy judges by what was
   known then; where it asks for a retrain, the real steps make a candidate, and what passes its
   gate is the champion from then on.
4. Report: quality by period, retrains, promotions, refusals and seconds, side by side; and which
   policy is worth it, by what its answers and retrains cost.

Each policy has a registry of its own in the run's work folder; the user's gets the report only.
Retrains that policies share (as of the same time, against the same champion) are made once.
"""

import math
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from prefect import flow

from flows.backtest_candidates import Past, list_failed, load_champion, make_or_share, promote
from flows.backtest_simulation import Lane, visit
from flows.retrain import plan_retrain
from flows.run_artifacts import leave, link_model
from flows.run_page import conclude, name_run
from flows.run_progress import show_progress
from tasks.backtest.base_rate import follow
from tasks.backtest.choice import Answered, choose
from tasks.backtest.periods import average_periods, measure_periods
from tasks.backtest.policies import Policy, parse_policies
from tasks.backtest.replay import (
    Followed,
    Replay,
    Track,
    describe_replay,
    list_dates,
    list_looks,
    read_history,
)
from tasks.core.columns import HIGH, LOW, PREDICTION, THRESHOLD
from tasks.core.definition_file import find_definition, load_definition
from tasks.core.errors import DataRefused, DefinitionError
from tasks.core.progress import tell_progress
from tasks.core.time_zones import in_utc
from tasks.registry.versions import publish
from tasks.reports.backtest import draw_comparison
from tasks.reports.backtest_choice import tell_choice
from tasks.reports.formatting import escape_markdown
from tasks.storage.store import Store, open_store, work_folder
from tasks.training.published_model import as_column


@flow(name="backtest", flow_run_name=name_run)
def backtest(
    model: str,
    start: datetime,
    end: datetime,
    every: str = "1mo",
    policies: str = "never,schedule,drift,quality",
    retrain_cost: float = 0.0,
) -> dict[str, Any]:
    """Replay a model's history between two times, and compare policies of retraining.

    `retrain_cost` is what each retrain costs, in the unit of [serving] cost.
    """
    begun, (first, last) = time.monotonic(), map(in_utc, (start, end))
    named, dates = settle_question(model, first, last, every, policies, retrain_cost)
    plan = plan_retrain(model, last)
    store = open_store(plan.root)
    with work_folder(store) as folder:
        past = Past(model, plan, *read_history(plan, last), dates, folder)
        with show_progress(plan.definition.name, "backtest"):
            lanes = open_lanes(past, named)
            replay_looks(past, lanes)
        replay = describe_lanes(past, lanes, every, time.monotonic() - begun, retrain_cost)
        report = keep_report(store, replay, folder / "report")
    name, told = plan.definition.name, list(tell_choice(replay.choice))
    summary = f"{draw_comparison(replay)['report.md']}\nReport: {escape_markdown(report)}\n"
    leave(f"backtest-{name}", summary, link_model(name))
    said = " ".join(told) or f"{len(lanes)} policies replayed"
    return conclude({**describe_replay(replay, report), "told": told}, name_choice(replay), said)


def name_choice(replay: Replay) -> str:
    """Name the policy to take: the simplest of those that are not surely worse than the best."""
    return f"take {replay.choice.simplest}" if replay.choice else "no policy is better"


def replay_looks(past: Past, lanes: Sequence[Lane]) -> None:
    """Let every policy look at each date, and retrain where it asks for it."""
    looks = list(list_looks(past.dates, past.definition.monitoring.window))
    for count, look in enumerate(looks, 1):
        for lane in lanes:
            visit(past, lane, look)
        tell_progress("backtest", "look", count, len(looks))


def settle_question(
    model: str,
    start: datetime,
    end: datetime,
    every: str,
    policies: str,
    retrain_cost: float = 0.0,
) -> tuple[tuple[Policy, ...], list[datetime]]:
    """Read which policies are compared and at which dates; refuse what cannot be replayed."""
    definition = load_definition(find_definition(model))
    if definition.extract.time is None:
        raise DefinitionError(f"{model}: backtest needs [extract] time: its rows carry no time")
    if not 0 <= retrain_cost < math.inf:
        raise DefinitionError(f"--retrain-cost {retrain_cost:g}: must be 0 or more")
    if retrain_cost and definition.serving.cost is None:
        raise DefinitionError(
            f"{model}: --retrain-cost needs [serving] cost = {{ false_alarm = …, missed = … }}: "
            "it is in the same unit, and nothing else can be set against it"
        )
    if end > datetime.now(UTC):
        raise DefinitionError(f"--to {end:%Y-%m-%d %H:%M} UTC is in the future")
    return parse_policies(policies), list_dates(start, end, every)


def open_lanes(past: Past, policies: Sequence[Policy]) -> list[Lane]:
    """Make the first model, and let every policy begin with it."""
    start, end = past.dates[0], past.dates[-1]
    if not past.rows[past.between(start, end)].height:
        raise DataRefused(f"{past.model}: no row from {start:%Y-%m-%d} to {end:%Y-%m-%d}")
    lanes: list[Lane] = []
    for policy in policies:
        store = open_store(str(past.folder / policy))
        published, _ = make_or_share(past, store, start, None)
        why = published if isinstance(published, str) else list_failed(store, published)
        if isinstance(published, str) or why:
            raise DataRefused(f"--from {start:%Y-%m-%d}: no first model: {why}")
        promote(past, store, published)
        answers = np.full(len(past.rows), np.nan)
        champion = load_champion(store, published, start)
        lanes.append(Lane(policy, store, champion, answers, answers.copy(), since=start))
    return lanes


def describe_lanes(
    past: Past, lanes: Sequence[Lane], every: str, seconds: float, retrain_cost: float = 0.0
) -> Replay:
    """Measure what every policy's champions answered, and hold the policies against each other."""
    definition, tracks, options = past.definition, list[Track](), list[Answered]()
    for lane in lanes:
        track, answered = describe_lane(past, lane)
        tracks.append(track)
        options += answered
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
        choice=choose(definition, options, past.dates, retrain_cost),
    )


def describe_lane(past: Past, lane: Lane) -> tuple[Track, list[Answered]]:
    """Measure one policy's answers; give them as they were and, if asked for, corrected."""
    definition, dates = past.definition, past.dates
    plain = Answered(lane.policy, False, len(lane.retrains), join_answers(past, lane))
    answered, followed = [plain], None
    if definition.serving.follow_base_rate is not None:
        given, offsets = follow(definition, plain.rows, dates[0], dates[-1])
        corrected = plain.rows.with_columns(as_column(given).alias(PREDICTION))
        answered.append(Answered(lane.policy, True, plain.retrains, corrected))
        periods = measure_periods(definition, corrected, dates)
        followed = Followed(periods=periods, mean=average_periods(periods), offsets=offsets)
    periods = measure_periods(definition, plain.rows, dates)
    track = Track(
        policy=lane.policy,
        periods=periods,
        mean=average_periods(periods),
        retrains=tuple(lane.retrains),
        broken=lane.broken,
        watching=lane.watching,
        followed=followed,
    )
    return track, answered


def join_answers(past: Past, lane: Lane) -> pl.DataFrame:
    """Put what a policy's champions answered beside the rows, with what it went by."""
    answered = past.rows.with_columns(as_column(lane.answers).alias(PREDICTION))
    if lane.intervals is not None:
        answered = answered.with_columns(map(pl.Series, (LOW, HIGH), lane.intervals.T))
    if past.definition.chooses:  # each version answers by its own
        answered = answered.with_columns(pl.Series(THRESHOLD, lane.thresholds))
    return answered


def keep_report(store: Store, replay: Replay, folder: Path) -> str:
    """Keep the report under the user's root; an older one of the same period stays."""
    folder.mkdir()
    for name, text in draw_comparison(replay).items():
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "replay.json").write_text(replay.model_dump_json(indent=1), encoding="utf-8")
    stamp = f"{replay.start:%Y%m%d}-{replay.end:%Y%m%d}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    published = publish(store, folder, f"backtests/{replay.model}/{stamp}")
    return f"{store.root}/{published.path_of('report.html')}"
