"""The monitor's page: how a champion does, with what needs to be acted on first."""

from collections.abc import Iterator

from tasks.evaluation.interval import Interval
from tasks.monitoring.findings import MonitoringResult, warn_of
from tasks.reports.candidate_data import list_checks
from tasks.reports.display_names import name_metric
from tasks.reports.formatting import format_score, format_share, format_time, shorten
from tasks.reports.monitoring_charts import draw_drift, draw_latency, draw_quality
from tasks.reports.monitoring_state import ACT, CALM, EVENTS, MENDS, explain_state, name_state
from tasks.reports.monitoring_text import (
    STATES,
    describe_drift,
    describe_quality,
    describe_service,
    describe_skew,
    describe_staleness,
    format_metrics,
    format_period,
    list_counts,
    name_column,
    rank_drifted,
)
from tasks.reports.templates import render
from tasks.storage.store import Store, reaching

TONES = {ACT: "refused", MENDS: "mends", CALM: ""}


def keep_report(store: Store, found: MonitoringResult) -> str:
    """Keep the page under the root, the last of each day, and give its address."""
    model, day = found.watch.definition.name, f"{found.served.until:%Y-%m-%d}"
    path = f"monitoring/{model}/reports/{day}/report.html"
    with reaching(store.root):
        store.replace(path, write_page(found).encode())
    return f"{store.root}/{path}"


def write_page(found: MonitoringResult) -> str:
    """Render the whole page."""
    definition = found.watch.definition
    return render(
        "monitoring.html.jinja",
        title=f"{definition.name}: monitor",
        model=definition.name,
        heading=definition.description or definition.name,
        version=found.watch.version,
        period=format_period(found),
        word=name_state(found).capitalize(),
        tone=TONES[name_state(found)],
        state=explain_state(found),
        metric=name_metric(definition.metric, definition.target.unit),
        numbers=_list_numbers(found),
        events=[
            (EVENTS[each.kind], STATES[each.state], each.reason, each.detail, each.cause)
            for each in found.alerts
        ],
        warnings=list(warn_of(found)),
        quality=describe_quality(found),
        staleness=describe_staleness(found),
        quality_charts=list(draw_quality(found)),
        windows=list(_list_windows(found)),
        versions=list(_list_versions(found)),
        drift=describe_drift(found),
        alarms=[(each.kind, each.detail) for each in found.drift.alarms],
        drift_chart=draw_drift(found),
        drifted=list(_list_drifted(found)),
        skew=describe_skew(found),
        differences=list(_list_differences(found)),
        failed=list_checks([each for each in found.checks if not each.passed]),
        passed=list_checks([each for each in found.checks if each.passed]),
        service=describe_service(found.service),
        latency=draw_latency(found),
        responses=_list_responses(found),
        counts=list_counts(found),
    )


def _list_numbers(found: MonitoringResult) -> dict[str, str]:
    """Give the numbers that matter most, by what they are called."""
    metric, judged = found.watch.definition.metric, found.performance
    values = {
        f"{name_metric(metric, found.watch.definition.target.unit)}, live": judged.quality.value
        if judged.quality
        else None,
        "Estimated, last window": judged.estimate.get(metric),
        "On the holdout": judged.holdout.get(metric),
    }
    return {
        **{name: format_score(value) for name, value in values.items() if value is not None},
        "Predictions": f"{sum(found.served.rows.values()):,}",
        "With a label": f"{found.ground_truth.labelled:,}",
    }


def _list_windows(found: MonitoringResult) -> Iterator[tuple[bool, list[str]]]:
    """Give each window's numbers, and whether they rest on too few rows."""
    metric = found.watch.definition.metric
    for each in found.performance.spans:
        few = each.labelled < found.watch.definition.monitoring.rows
        sure = None if few else each.surely
        yield (
            few,
            [
                format_time(each.end),
                f"{each.rows:,}",
                f"{each.labelled:,}",
                _known(each.truth.get(metric)),
                "too few labels" if few else _known_between(sure),
                _known(each.estimate.get(metric)),
            ],
        )


def _list_versions(found: MonitoringResult) -> Iterator[list[str]]:
    for each in found.performance.versions:
        sure = each.surely
        interval = f" ({format_score(sure.low)} to {format_score(sure.high)})" if sure else ""
        yield [
            each.version,
            f"{each.rows:,}",
            f"{each.labelled:,}",
            _known(sure.value if sure else None) + interval,
            format_metrics(each.metrics),
            each.reason or format_metrics(each.holdout),
        ]


def _list_drifted(found: MonitoringResult) -> Iterator[list[str]]:
    drifted = found.drift
    for each in rank_drifted(found):
        levels = drifted.new_levels.get(each.column, ())
        yield [
            name_column(each),
            format_share(drifted.weights.get(each.column)),
            f"{each.psi:.3f}",
            f"{format_share(each.reference_nulls)} → {format_share(each.current_nulls)}",
            ", ".join(map(shorten, levels)) or "–",
        ]


def _list_differences(found: MonitoringResult) -> Iterator[list[str]]:
    """Give the columns whose logged cells are not what training would read."""
    for each in (found.skew.predictions, *found.skew.columns):
        if each and each.rows:
            yield [
                each.column,
                f"{each.rows:,} of {each.compared:,}",
                format_share(each.share),
                "; ".join(f"{one.logged} for {one.expected}" for one in each.examples),
            ]


def _list_responses(found: MonitoringResult) -> list[list[str]]:
    counters = found.service.counters
    rows = sorted(counters.responses.items(), key=lambda pair: -pair[1]) if counters else []
    return [[endpoint, f"{count:,}"] for endpoint, count in rows]


def _known_between(sure: Interval | None) -> str:
    return f"{format_score(sure.low)} to {format_score(sure.high)}" if sure else "–"


def _known(value: float | None) -> str:
    return "–" if value is None else format_score(value)
