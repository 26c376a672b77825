"""Performance of served predictions: measured where labels are known, estimated where not.

Responsible for which predictions count: by version, by window, and compared with the holdout. Not
responsible for alerts (`findings`).
"""

from collections.abc import Iterable, Iterator
from datetime import datetime

import polars as pl
from pydantic import Field

from tasks.alarms.histograms import RECENT
from tasks.core.columns import HIGH, LOW, PREDICTION, TARGET, TIME
from tasks.core.definition import Definition, Frozen
from tasks.core.model_sections import Metric
from tasks.evaluation.coverage import Coverage, measure_coverage
from tasks.evaluation.interval import Interval
from tasks.evaluation.prior_shift import PriorShift, find_shift
from tasks.evaluation.quantile_shares import QuantileShare
from tasks.evaluation.slices import SLICE
from tasks.monitoring.context import MonitoringContext, ServedRows
from tasks.monitoring.ground_truth_join import GroundTruth
from tasks.monitoring.holdout_comparison import (
    HoldoutComparison,
    SliceQuality,
    as_array,
    judge_quality,
    judge_slices,
    measure_interval,
    measure_rows,
)
from tasks.monitoring.performance_estimation import Estimator, estimate_metrics, fit_estimator
from tasks.monitoring.reference import ChampionReference
from tasks.monitoring.served_quantiles import explain_other, share_recent
from tasks.monitoring.version_performance import (
    SPAN_ROWS,
    Answered,
    describe_versions,
    inside_span,
)


class Span(Frozen):
    """One window: metrics of its labelled rows, and estimates for all and for the labelled rows.

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


class Performance(Frozen):
    """The champion's performance. `seen` rows were learned from, and do not count.

    `estimate` is of the last window, `off` how far estimates were from the truth on average, by the
    gate's metric. `coverage` is that of intervals whose rows came true, `quantiles` are the shares
    of rows below each: of all, then by slice. `problem` says why nothing can be compared with the
    holdout; `prior_shift` that a base rate moved, and took calibration with it.
    """

    quality: HoldoutComparison | None = None
    coverage: tuple[Coverage, ...] = Field(default=(), exclude_if=lambda found: not found)
    quantiles: tuple[QuantileShare, ...] = Field(default=(), exclude_if=lambda found: not found)
    slices: tuple[SliceQuality, ...] = ()
    versions: tuple[Answered, ...] = ()
    spans: tuple[Span, ...] = ()
    holdout: dict[Metric, float]
    estimate: dict[Metric, float]
    off: float | None = None
    seen: int = 0
    problem: str = ""
    prior_shift: PriorShift | None = None


def measure_performance(
    watch: MonitoringContext,
    asked: ServedRows,
    outcomes: GroundTruth,
    reference: ChampionReference | str,
) -> Performance:
    """Measure predictions whose label is known, and estimate the quality of the others (CBPE).

    A `reference` of text says why there is none; then nothing is compared with the holdout.
    """
    definition = watch.definition
    other = explain_other(definition, watch.champion.definition)
    if isinstance(reference, str) or other:
        versions = tuple(describe_versions(watch, asked, outcomes, {}))
        problem = reference if isinstance(reference, str) else other
        return Performance(versions=versions, holdout={}, estimate={}, problem=problem)
    holdout = reference.holdout()
    promised = measure_rows(definition, holdout)
    answers = inside_span(asked, outcomes.read(watch.version))
    unseen = _drop_seen(watch, answers)
    estimator = fit_estimator(definition, holdout[TARGET].to_numpy(), as_array(holdout[PREDICTION]))
    spans = tuple(
        measure_span(watch, estimator, start, rows) for start, rows in _cut(watch, asked, unseen)
    )
    recent = _take_recent(watch, unseen)
    last = unseen.filter(pl.col(TIME) > asked.until - watch.window)
    return Performance(
        quality=judge_quality(definition, recent, holdout),
        coverage=tuple(cover_recent(watch.champion.definition, recent)),
        quantiles=tuple(share_recent(definition, recent)),
        slices=judge_slices(definition, recent, holdout),
        versions=tuple(describe_versions(watch, asked, outcomes, promised)),
        spans=spans,
        holdout=promised,
        estimate=estimate_metrics(definition, estimator, as_array(last[PREDICTION])),
        off=_mean_distance(definition.metric, spans),
        seen=len(answers) - len(unseen),
        prior_shift=find_moved(watch, recent),
    )


def cover_recent(definition: Definition, recent: pl.DataFrame) -> Iterator[Coverage]:
    """Measure the coverage of recent intervals, where there are rows enough with a label."""
    if definition.serving.interval is None or LOW not in recent.columns:
        return
    known = recent.drop_nulls([TARGET, LOW, HIGH]).sort(TIME)
    if len(known) >= definition.monitoring.rows:
        yield from measure_coverage(definition, known, SLICE)


def measure_span(
    watch: MonitoringContext, estimator: Estimator, start: datetime, rows: pl.DataFrame
) -> Span:
    """Measure one window, and estimate it as if no label were known."""
    definition, known = watch.definition, rows.drop_nulls(TARGET)
    enough = len(known) >= SPAN_ROWS
    return Span(
        start=start,
        end=start + watch.window,
        rows=len(rows),
        labelled=len(known),
        truth=measure_rows(definition, known) if enough else {},
        surely=measure_interval(definition, known) if enough else None,
        estimate=estimate_metrics(definition, estimator, as_array(rows[PREDICTION])),
        estimate_labelled=estimate_metrics(definition, estimator, as_array(known[PREDICTION])),
    )


def _drop_seen(watch: MonitoringContext, answers: pl.DataFrame) -> pl.DataFrame:
    """Leave out rows that the champion learned from: on those it looks too good."""
    split = watch.champion.split
    end = split.matured if watch.champion.refit else split.gap
    return answers if end is None else answers.filter(pl.col(TIME) > end)


def _cut(
    watch: MonitoringContext, asked: ServedRows, rows: pl.DataFrame
) -> Iterator[tuple[datetime, pl.DataFrame]]:
    """Cut rows into windows, the last of which ends now."""
    end = asked.until
    while end > asked.since:
        start = end - watch.window
        inside = rows.filter(pl.col(TIME) > start, pl.col(TIME) <= end)
        if len(inside):
            yield start, inside
        end = start


def _take_recent(watch: MonitoringContext, answers: pl.DataFrame) -> pl.DataFrame:
    """Take the last windows with labels, or all there are where those hold too few rows."""
    known = answers.drop_nulls(TARGET)
    newest = known[TIME].max()
    if not isinstance(newest, datetime):
        return known
    recent = known.filter(pl.col(TIME) > newest - RECENT * watch.window)
    return recent if len(recent) >= watch.definition.monitoring.rows else known


def find_moved(watch: MonitoringContext, recent: pl.DataFrame) -> PriorShift | None:
    """Find the base rate that moved by the labels of the last windows, where there are enough."""
    known = recent.drop_nulls([TARGET, PREDICTION])
    if len(known) < watch.definition.monitoring.rows:
        return None
    target, predicted = known[TARGET].to_numpy(), as_array(known[PREDICTION])
    return find_shift(watch.definition, target, predicted)


def _mean_distance(metric: Metric, spans: Iterable[Span]) -> float | None:
    pairs = [
        (span.truth[metric], span.estimate_labelled[metric])
        for span in spans
        if metric in span.truth and metric in span.estimate_labelled
    ]
    return sum(abs(one - other) for one, other in pairs) / len(pairs) if pairs else None
