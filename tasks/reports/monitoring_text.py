"""What the monitor found, in words for people, as a dict for programs, and as short Markdown."""

from collections.abc import Iterator
from typing import Any

from tasks.analysis.profile_drift import ColumnDrift
from tasks.causes.cause_text import describe_cause
from tasks.core.checks import failed
from tasks.core.columns import PREDICTION
from tasks.core.model_sections import Metric
from tasks.monitoring.base_rate import describe_base_rate
from tasks.monitoring.findings import MonitoringResult, list_causes, warn_of
from tasks.monitoring.holdout_comparison import SliceQuality
from tasks.monitoring.service_health import ServiceHealth
from tasks.reports.candidate_text import TOP
from tasks.reports.formatting import escape_markdown, format_score, format_time, markdown_table
from tasks.reports.monitoring_state import EVENTS, explain_state, name_state

STATES = {
    "raised": "alert sent",
    "known": "alert sent before",
    "held back": "suppressed",
    "not heard": "not sent: Prefect's server did not take it; the next look tries again",
}


def describe_quality(found: MonitoringResult) -> str:
    """Say how good predictions are: measured as far as labels are known, and estimated."""
    judged, metric = found.performance, found.watch.definition.metric
    said = judged.quality.detail if judged.quality else judged.problem
    if metric in judged.estimate:
        said += f"; {format_score(judged.estimate[metric])} is estimated for the last window"
    if judged.off is not None:
        said += f" (estimates were off by {format_score(judged.off)} on average)"
    shares = [each.detail for each in judged.quantiles if not each.slice]
    return "; ".join([said, *(each.detail for each in judged.coverage[:1]), *shares])


def describe_staleness(found: MonitoringResult) -> str:
    """Say whether a quick model of what is known by now would do better."""
    behind = found.staleness
    if behind.as_of is None:
        return behind.problem
    quick = f"a quick model of what was known by {format_time(behind.as_of)} UTC"
    least = found.watch.definition.monitoring.rows
    if behind.rows < least:
        return f"{behind.rows:,} labels are new to {quick}, {least:,} are needed to tell"
    if behind.lost:
        return f"the champion has fallen behind {quick}: {behind.lost}"
    return f"the champion is not significantly behind {quick}, on {behind.rows:,} rows since"


def describe_drift(found: MonitoringResult) -> str:
    """Say how far inputs and predictions have drifted from the champion's training data."""
    drifted = found.drift
    if drifted.moved is None:
        return drifted.problem
    ranked = rank_drifted(found)[:TOP]
    named = ", ".join(f"{name_column(each)} ({each.hellinger:.2f})" for each in ranked)
    return (
        f"The last window's {drifted.rows:,} rows lie {drifted.moved:.3f} (Hellinger, features "
        f"weighted by importance) from the training data; most of it from {named}"
    )


def describe_skew(found: MonitoringResult) -> str:
    """Say whether serving gives the predictions that the training path gives."""
    skew = found.skew
    if skew.predictions is None:
        return skew.prediction_problem or "no prediction could be compared with the training path"
    same = skew.predictions.compared - skew.predictions.rows
    said = f"{same:,} of {skew.predictions.compared:,} predictions are what the training path gives"
    if skew.column_problem:
        return f"{said}; columns: {skew.column_problem}"
    odd = [each.column for each in skew.columns if each.rows]
    return f"{said}; columns that differ from the sources: {', '.join(odd[:TOP]) or 'none'}"


def describe_service(service: ServiceHealth) -> str:
    """Say how requests were answered, and how quickly."""
    if service.counters is None:
        return "no server left counts of the last window"
    quick = "–" if service.median is None else f"{1000 * service.median:g} ms"
    slow = "beyond the last bound" if service.slowest is None else f"{1000 * service.slowest:g} ms"
    return (
        f"{service.answers:,} requests, {service.failed:,} failed (5xx), {service.refused:,} "
        f"refused (4xx); half of all responses took at most {quick}, 99% at most {slow}"
    )


def rank_drifted(found: MonitoringResult) -> list[ColumnDrift]:
    """Order features and predictions by how far they moved, weighted by importance."""
    weights = found.drift.weights

    def rank(each: ColumnDrift) -> tuple[float, float]:
        distance = each.hellinger or 0.0
        return -weights.get(each.column, 0.0) * distance, -distance

    return sorted((each for each in found.drift.columns if each.psi is not None), key=rank)


def rank_slices(found: MonitoringResult) -> list[SliceQuality]:
    """Order slices by what they lost against the holdout, the worst first."""
    known = [each for each in found.performance.slices if each.quality.gain is not None]
    return sorted(known, key=lambda each: each.quality.gain.value if each.quality.gain else 0.0)


def describe(found: MonitoringResult, report: str) -> dict[str, Any]:
    """Give what `perennial monitor --json` prints: the numbers, and the alerts."""
    watch, asked, judged = found.watch, found.served, found.performance
    covered = [each.model_dump() for each in judged.coverage]
    shares = [each.model_dump() for each in judged.quantiles]
    fields = {"rows", "labelled", "waiting", "overdue", "unknown", "keyless", "again", "twice"}
    return {
        "model": watch.definition.name,
        "champion": watch.version,
        "as_of": watch.as_of and watch.as_of.isoformat(),
        "until": asked.until.isoformat(),
        "rows": asked.rows,
        "outcomes": found.ground_truth.model_dump(include=fields),
        "quality": judged.quality and judged.quality.model_dump(),
        "behind": found.staleness.model_dump(mode="json"),
        "versions": [each.model_dump() for each in judged.versions],
        **({"coverage": covered} if covered else {}),
        **({"quantiles": shares} if shares else {}),
        "slices": [each.model_dump() for each in rank_slices(found)],
        "prior_shift": judged.prior_shift and judged.prior_shift.model_dump(),
        "estimate": judged.estimate,
        "estimate_off": judged.off,
        "windows": [each.model_dump(mode="json") for each in judged.spans],
        "drift": _describe_moved(found),
        "skew": found.skew.model_dump(),
        "checks": [each.model_dump() for each in found.checks],
        "service": found.service.model_dump(mode="json"),
        "new_data": found.new_data and found.new_data.model_dump(),
        "base_rate": found.base_rate and found.base_rate.model_dump(mode="json"),
        "events": [each.model_dump() for each in found.alerts],
        **({"refused": found.refused} if found.refused else {}),
        "summary": dict(list_states(found)),
        "warnings": list(warn_of(found)),
        "report": report,
    }


def _describe_moved(found: MonitoringResult) -> dict[str, Any]:
    drifted = found.drift
    causes = [
        {**each.model_dump(mode="json"), "sentence": describe_cause(each)}
        for each in list_causes(found)
    ]
    return {
        "rows": drifted.rows,
        "moved": drifted.moved,
        "columns": [each.model_dump() for each in rank_drifted(found)],
        "alarms": [each.model_dump() for each in drifted.alarms],
        **({"causes": causes} if causes else {}),
    }


def write_summary(found: MonitoringResult) -> str:
    """Write the short version in Markdown."""
    watch, asked = found.watch, found.served
    events = [
        [EVENTS[each.kind], STATES[each.state], f"{each.reason} {each.cause}".strip()]
        for each in found.alerts
    ]
    blocks = [
        f"# {watch.definition.name}: {name_state(found)}",
        escape_markdown(explain_state(found)),
        f"{sum(asked.rows.values()):,} predictions for {format_period(found)} UTC.",
        markdown_table(["Finding", "Alert", "What was found"], events) if events else "",
        markdown_table(["What", "How it is"], list_states(found)),
        "\n".join(f"- {escape_markdown(warning)}" for warning in warn_of(found)),
    ]
    return "\n\n".join(filter(None, blocks)) + "\n"


def list_states(found: MonitoringResult) -> list[tuple[str, str]]:
    """List each part of the look with its sentence."""
    bad = failed(found.checks)
    contract = f"{len(found.checks) - len(bad)} of {len(found.checks)} checks passed"
    new = found.new_data.reason if found.new_data else found.watch.problem
    return [
        ("Quality", describe_quality(found)),
        ("Challenger", describe_staleness(found)),
        ("Drift", describe_drift(found)),
        ("Skew", describe_skew(found)),
        ("Contract", contract + "".join(f"; {each.detail}" for each in bad[:TOP])),
        ("Service", describe_service(found.service)),
        ("New data", new),
        *([("Base rate", describe_base_rate(found.base_rate))] if found.base_rate else []),
    ]


def list_counts(found: MonitoringResult) -> Iterator[list[str]]:
    """List what became of the predictions, with what each count means."""
    outcomes = found.ground_truth
    meant = {
        "rows": "predictions that count, one for each key and version",
        "labelled": "of them have a label",
        "waiting": "are too young for a label",
        "overdue": "should have a label by now",
        "unknown": "have a key that the sources do not hold",
        "keyless": "came without a key",
        "again": "more were made again later: the last before the event counts",
        "twice": "source rows repeat a key of a prediction",
    }
    for name, words in meant.items():
        yield [f"{getattr(outcomes, name):,}", words]


def format_period(found: MonitoringResult) -> str:
    return f"{format_time(found.served.since)} to {format_time(found.served.until)}"


def name_column(each: ColumnDrift) -> str:
    return "prediction" if each.column == PREDICTION else each.column


def format_metrics(metrics: dict[Metric, float]) -> str:
    return ", ".join(f"{name} {format_score(value)}" for name, value in metrics.items()) or "–"
