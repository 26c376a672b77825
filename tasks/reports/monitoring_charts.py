"""The charts of the monitor's page: quality over time and by slice, drift, and latency."""

from collections.abc import Iterator

from tasks.core.units import unit_of
from tasks.monitoring.findings import MonitoringResult
from tasks.reports import charts
from tasks.reports.candidate_text import MOVED
from tasks.reports.chart_findings import tell_ranking
from tasks.reports.chart_style import MOST_BARS
from tasks.reports.display_names import name_metric
from tasks.reports.formatting import format_score, shorten
from tasks.reports.monitoring_text import name_column, rank_drifted, rank_slices
from tasks.reports.templates import Figure

_SLICES = 20


def draw_quality(found: MonitoringResult) -> Iterator[Figure]:
    """Draw the gate's metric by window and the change by slice, as far as they are known."""
    yield from _draw_over_time(found)
    yield from _draw_slices(found)


def _draw_over_time(found: MonitoringResult) -> Iterator[Figure]:
    metric, spans = found.watch.definition.metric, list(reversed(found.performance.spans))
    points = [
        charts.MetricPoint(
            at=each.end.isoformat(),
            measured=each.truth.get(metric),
            low=each.surely.low if each.surely else None,
            high=each.surely.high if each.surely else None,
            estimate=each.estimate.get(metric),
            few=each.labelled < found.watch.definition.monitoring.rows,
        )
        for each in spans
    ]
    if any(each.measured is not None or each.estimate is not None for each in points):
        title = name_metric(metric, found.watch.definition.target.unit)
        text = (
            f"{title} of each window: measured (line, with its interval) and estimated before "
            "labels were known (dots). Dashed: the holdout. Grey: too few labels."
        )
        holdout = found.performance.holdout[metric]
        last = points[-1]
        known = format_score(last.estimate if last.measured is None else last.measured)
        said = f"{title} by window: {known} in the last, {format_score(holdout)} on the holdout"
        drawn = charts.draw_over_time(points, holdout, title, said)
        yield Figure("Quality over time", text, drawn)


def _draw_slices(found: MonitoringResult) -> Iterator[Figure]:
    ranked = rank_slices(found)[:_SLICES]
    if not ranked:
        return
    gains = [each.quality.gain for each in ranked if each.quality.gain]
    labels = [
        f"{shorten(f'{each.slice} = {each.level}')} ({each.quality.rows:,})" for each in ranked
    ]
    dots: dict[str, list[float]] = {
        **{end: [getattr(each, end) for each in gains] for end in ("value", "low", "high")},
        "rows": [each.quality.rows for each in ranked],
    }
    metric = ranked[0].quality.metric
    text = (
        "How much better each slice does than on the holdout (left of the line: worse), by its "
        f"{name_metric(metric)}, with its interval; rows in brackets."
    )
    title = f"Gain over the holdout{unit_of(metric, found.watch.definition.target.unit)}"
    named = [(label, f"{gain.value:+.4f}") for label, gain in zip(labels, gains, strict=True)]
    said = tell_ranking("Gain over the holdout by slice", named)
    drawn = charts.draw_dots(dots, labels, 0.0, title, said)
    yield Figure("Slices, worst first", text, drawn)


def draw_drift(found: MonitoringResult) -> Figure | None:
    """Draw the columns that moved most, where there is something to compare with."""
    ranked, weights = rank_drifted(found)[:MOST_BARS], found.drift.weights
    if not ranked:
        return None
    bars = [
        charts.Bar(
            f"{name_column(each)} ({weights.get(each.column, 0.0):.0%})",
            each.hellinger or 0.0,
            f"{each.hellinger:.3f}",
            faint=(each.psi or 0.0) < MOVED,
        )
        for each in ranked
    ]
    text = (
        "Hellinger distance from the training data (0: the same, 1: nothing in common), importance "
        "in brackets. Pale: hardly a shift. Ordered by distance times importance."
    )
    said = tell_ranking("Features by drift", [(each.label, each.text) for each in bars])
    return Figure("Drift by feature", text, charts.draw_bars(bars, 0.2, said))


def draw_latency(found: MonitoringResult) -> Figure | None:
    """Draw which share of predictions took how long, where a server counted any."""
    counters = found.service.counters
    if counters is None or not (total := sum(counters.answers)):
        return None
    names = [*(f"≤ {1000 * bound:g} ms" for bound in counters.bounds), "longer"]
    bars = [
        charts.Bar(name, count / total, f"{count / total:.1%}")
        for name, count in zip(names, counters.answers, strict=True)
        if count
    ]
    said = tell_ranking("Predictions by time taken", [(each.label, each.text) for each in bars])
    drawn = charts.draw_bars(bars, 0.1, said)
    return Figure("Time to answer", "Share of evaluations.", drawn)
