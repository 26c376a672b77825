"""Served rows, measured: how good their answers are, how they look, what they break, how they came.

Owns which rows are looked at for what, and the values that come of it. Refuses to say what is worth
telling anyone (`findings`), and to draw.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from tasks.alarms import Alarm, judge, split_window
from tasks.analysis import check_columns
from tasks.checks import Check, share_at_most
from tasks.counters import Counters, add_up, quantile, read_counters
from tasks.definition import Frozen, Metric
from tasks.drift import ColumnDrift, measure_drift
from tasks.estimate import estimate_metrics, fit_estimator
from tasks.labels import TARGET, TIME
from tasks.metrics import Interval
from tasks.outcomes import Outcomes
from tasks.profiles import profile_table
from tasks.promised import Promise, watchable
from tasks.quality import (
    PREDICTED,
    Quality,
    SliceQuality,
    as_array,
    judge_quality,
    judge_slices,
    measure_interval,
    measure_rows,
)
from tasks.registry import find_version, read_json
from tasks.store import Store, open_store
from tasks.stretches import Sketcher, join_stretches
from tasks.watching import Asked, Watch

_QUALITY_WINDOWS = 4  # that quality is judged on: one week is too few days to be sure of
_RECENT = 4  # windows that the last one is held against
_SPAN_ROWS = 100  # labelled rows that a window needs to be measured by itself
_FAILING = 0.01  # share of answers that may be the service's own failures
_NAMED = 3


class Span(Frozen):
    """One window: what came true of it, and what was estimated of all and of the labelled rows.

    `surely` is the gate's metric with its interval.
    """

    start: datetime
    end: datetime
    rows: int
    labelled: int
    truth: dict[Metric, float]
    surely: Interval | None = None
    estimate: dict[Metric, float]
    estimate_labelled: dict[Metric, float]


class Answered(Frozen):
    """What is known of another version's answers, too."""

    version: str
    rows: int
    labelled: int
    metrics: dict[Metric, float]
    surely: Interval | None = None
    holdout: dict[Metric, float]


class Judged(Frozen):
    """How good answers are. `seen` rows were in what the champion learned from, and do not count.

    `estimate` is of the last window, `off` how far estimates were from the truth on average, by the
    gate's metric. `problem` says why nothing can be compared with the holdout.
    """

    quality: Quality | None = None
    slices: tuple[SliceQuality, ...] = ()
    versions: tuple[Answered, ...] = ()
    spans: tuple[Span, ...] = ()
    holdout: dict[Metric, float]
    estimate: dict[Metric, float]
    off: float | None = None
    seen: int = 0
    problem: str = ""


class Drifted(Frozen):
    """How the last window looks, beside what the champion learned from: features and predictions.

    `weights` say how much each feature matters; `moved` is their Hellinger distance, so weighted.
    """

    rows: int = 0
    recent_rows: int = 0
    columns: tuple[ColumnDrift, ...] = ()
    weights: dict[str, float]
    moved: float | None = None
    alarms: tuple[Alarm, ...] = ()
    new_levels: dict[str, tuple[str, ...]]
    problem: str = ""


class Service(Frozen):
    """What the service counted in the last window; none where it left nothing."""

    counters: Counters | None = None
    median: float | None = None
    slowest: float | None = None
    failed: int = 0
    refused: int = 0
    damaged: tuple[str, ...] = ()

    @property
    def answers(self) -> int:
        return sum(self.counters.responses.values()) if self.counters else 0

    @property
    def failing(self) -> bool:
        return self.failed > _FAILING * max(self.answers, 1)


def judge_answers(
    watch: Watch, asked: Asked, outcomes: Outcomes, promise: Promise | None, problem: str
) -> Judged:
    """Measure answers whose label is known, and estimate those whose label is not."""
    versions = tuple(describe_versions(watch, asked, outcomes))
    if promise is None:
        return Judged(versions=versions, holdout={}, estimate={}, problem=problem)
    answers = _inside(asked, outcomes.read(watch.version))
    unseen = _drop_seen(watch, answers)
    holdout = promise.holdout()
    definition = watch.definition
    estimator = fit_estimator(definition, holdout[TARGET].to_numpy(), as_array(holdout[PREDICTED]))
    spans = tuple(
        Span(
            start=start,
            end=start + watch.window,
            rows=len(rows),
            labelled=len(known),
            truth=measure_rows(definition, known) if len(known) >= _SPAN_ROWS else {},
            surely=measure_interval(definition, known) if len(known) >= _SPAN_ROWS else None,
            estimate=estimate_metrics(definition, estimator, as_array(rows[PREDICTED])),
            estimate_labelled=estimate_metrics(definition, estimator, as_array(known[PREDICTED])),
        )
        for start, rows in _cut(watch, asked, unseen)
        for known in [rows.drop_nulls(TARGET)]
    )
    recent = _take_recent(watch, unseen)
    last = unseen.filter(pl.col(TIME) > asked.until - watch.window)
    return Judged(
        quality=judge_quality(definition, recent, holdout),
        slices=judge_slices(definition, recent, holdout),
        versions=versions,
        spans=spans,
        holdout=measure_rows(definition, holdout),
        estimate=estimate_metrics(definition, estimator, as_array(last[PREDICTED])),
        off=_mean_distance(definition.metric, spans),
        seen=len(answers) - len(unseen),
    )


def describe_versions(watch: Watch, asked: Asked, outcomes: Outcomes) -> Iterator[Answered]:
    """Measure each version's answers by themselves."""
    store = open_store(watch.plan.root)
    for version in sorted(asked.rows):
        rows = _inside(asked, outcomes.read(version))
        known = rows.drop_nulls([TARGET, PREDICTED])
        published = find_version(store, watch.definition.name, version)
        lineage = read_json(store, published, "lineage.json") if published else {}
        enough = len(known) >= _SPAN_ROWS and _answers_alike(watch, rows)
        yield Answered(
            version=version,
            rows=len(rows),
            labelled=len(known),
            metrics=measure_rows(watch.definition, known) if enough else {},
            surely=measure_interval(watch.definition, known) if enough else None,
            holdout=lineage.get("metrics", {}).get("holdout", {}),
        )


def watch_drift(
    watch: Watch, asked: Asked, promise: Promise | None, problem: str, store: Store
) -> Drifted:
    """Compare the last window with what the champion learned from, and with the windows before."""
    nothing: dict[str, Any] = {"weights": {}, "new_levels": {}}
    if promise is None or watch.version not in asked.rows:
        why = problem or "nothing was asked of the champion"
        return Drifted(**nothing, problem=why)
    calibration = promise.calibration()
    _, length = split_window(watch.window)
    sketcher = Sketcher(
        store, watch.version, watch.definition, watchable(watch.recipe), calibration, length
    )
    since = max(asked.since, asked.until - (_RECENT + 1) * watch.window)
    begins = sketcher.start_of(asked.until) + length - watch.window
    now = sketcher.sketch(asked.log, begins, asked.until)
    before = sketcher.sketch(asked.log, since, begins)
    count = sum(each.rows for each in now)
    if not now:
        return Drifted(**nothing, problem="nothing was asked of the champion in the last window")
    profile, window = join_stretches(now)
    history, weights = promise.profile(), promise.importance()
    columns = tuple(measure_drift(history, profile))
    recent = join_stretches(before)[1] if before else None
    few = count < watch.definition.monitoring.rows
    alarms: tuple[Alarm, ...] = ()
    if calibration is not None and window is not None and not few:
        alarms = judge(calibration, recent, window)
    weighted = [(weights.get(each.column, 0.0), each.hellinger or 0.0) for each in columns]
    return Drifted(
        rows=count,
        recent_rows=sum(each.rows for each in before),
        columns=columns,
        weights=weights,
        moved=sum(weight * distance for weight, distance in weighted),
        alarms=alarms,
        new_levels={
            name: tuple(sorted(new, key=lambda level: -column.levels[level])[:_NAMED])
            for name, column in profile.columns.items()
            if name in history.columns and column.facts.kind == "category"
            for new in [column.levels.keys() - history.columns[name].levels.keys()]
            if new
        },
        problem=_say_quiet(watch, count, calibration is not None, few),
    )


def check_served(watch: Watch, asked: Asked, outcomes: Outcomes) -> Iterator[Check]:
    """Hold the last window's rows to the data contract, and see how fresh everything is."""
    definition = watch.definition
    if watch.version in asked.rows:
        rows = asked.scan(watch, watch.version, watch.window)
        held = rows.collect_schema()
        rules = {k: v for k, v in definition.checks.columns.items() if k in held}
        served = rows.select(list(rules))
        yield from check_columns(rules, served, profile_table(served))
    if definition.extract.key and not outcomes.problem:
        what = "source rows of what was asked repeat a key"
        yield share_at_most(
            "labels twice", outcomes.twice, outcomes.rows, definition.checks.duplicates, what
        )
    if definition.checks.max_age is not None and watch.plan.as_of is not None:
        age = watch.plan.asked_at - watch.plan.as_of
        yield Check(
            name="freshness of the sources",
            passed=age <= definition.checks.max_age,
            detail=f"the newest row is {_days(age)} old, "
            f"at most {_days(definition.checks.max_age)} allowed",
            numbers={"age_seconds": age.total_seconds()},
        )


def look_at_service(watch: Watch, asked: Asked, store: Store) -> Service:
    """Add up what every server counted in the last window of the clock."""
    end = watch.asked or watch.now
    counted, damaged = read_counters(store, watch.definition.name, end - watch.window, end)
    total = add_up(counted)
    if total is None:
        return Service(damaged=tuple(damaged))

    def count(least: int, most: int) -> int:
        codes = ((int(name.split()[-1]), number) for name, number in total.responses.items())
        return sum(number for code, number in codes if least <= code <= most)

    return Service(
        counters=total,
        median=quantile(total, 0.5),
        slowest=quantile(total, 0.99),
        failed=count(500, 599),
        refused=count(400, 498),
        damaged=tuple(damaged),
    )


def _inside(asked: Asked, answers: pl.DataFrame) -> pl.DataFrame:
    return answers.filter(pl.col(TIME) > asked.since, pl.col(TIME) <= asked.until)


def _drop_seen(watch: Watch, answers: pl.DataFrame) -> pl.DataFrame:
    """Leave out answers about rows that the champion learned from: on those it looks too good."""
    split = watch.recipe.split
    end = split.matured if watch.recipe.refit else split.gap
    return answers if end is None else answers.filter(pl.col(TIME) > end)


def _answers_alike(watch: Watch, rows: pl.DataFrame) -> bool:
    """Tell whether a version answers in the form of the champion."""
    several = isinstance(rows.schema[PREDICTED], pl.List)
    return several == (watch.definition.target.kind == "multiclass")


def _cut(watch: Watch, asked: Asked, rows: pl.DataFrame) -> Iterator[tuple[datetime, pl.DataFrame]]:
    """Cut rows into windows, the last of which ends now."""
    end = asked.until
    while end > asked.since:
        start = end - watch.window
        inside = rows.filter(pl.col(TIME) > start, pl.col(TIME) <= end)
        if len(inside):
            yield start, inside
        end = start


def _take_recent(watch: Watch, answers: pl.DataFrame) -> pl.DataFrame:
    """Take the last windows with labels, or all there are where those hold too few rows."""
    known = answers.drop_nulls(TARGET)
    newest = known[TIME].max()
    if not isinstance(newest, datetime):
        return known
    recent = known.filter(pl.col(TIME) > newest - _QUALITY_WINDOWS * watch.window)
    return recent if len(recent) >= watch.definition.monitoring.rows else known


def _mean_distance(metric: Metric, spans: Iterable[Span]) -> float | None:
    pairs = [
        (span.truth[metric], span.estimate_labelled[metric])
        for span in spans
        if metric in span.truth and metric in span.estimate_labelled
    ]
    return sum(abs(one - other) for one, other in pairs) / len(pairs) if pairs else None


def _say_quiet(watch: Watch, rows: int, calibrated: bool, few: bool) -> str:
    if not calibrated:
        return "rows carry no time, so that there is no history to set alarms by"
    least = watch.definition.monitoring.rows
    return f"{rows:,} rows in the last window, {least:,} are needed for an alarm" if few else ""


def _days(age: timedelta) -> str:
    return f"{age.total_seconds() / 86_400:.1f} days"
