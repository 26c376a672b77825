"""What a look at a champion comes to, in words and numbers: one sentence, a dict, a short Markdown.

Owns how findings are put to people and programs. Refuses to find any, and to know HTML.
"""

from collections.abc import Iterator
from typing import Any

from tasks.analysis.profile_drift import ColumnDrift
from tasks.core.checks import failed
from tasks.core.columns import PREDICTION
from tasks.core.definition import Metric
from tasks.monitoring.findings import MonitoringResult, warn_of
from tasks.monitoring.holdout_comparison import SliceQuality
from tasks.monitoring.service_health import ServiceHealth
from tasks.reports.candidate_text import (
    TOP,
    plain,
    tabulate,
    write_moment,
    write_score,
    write_share,
)

EVENTS = {
    "new-data": "New data is worth a retrain",
    "quality-lost": "Quality is lost",
    "distribution-moved": "The world has moved from what the model learned",
    "data-broken": "Data looks broken: a person should look",
}
STATES = {
    "raised": "told now",
    "known": "told before",
    "held back": "held back",
    "not heard": "not heard by Prefect's server: it is told again next time",
}


def say_state(found: MonitoringResult) -> str:
    """Say in a sentence how the champion is."""
    if not found.raised:
        return f"Nothing of {found.watch.version} needs to be acted on."
    named = "; ".join(dict.fromkeys(EVENTS[each.kind].lower() for each in found.raised))
    return f"Of {found.watch.version} this needs to be acted on: {named}."


def say_quality(found: MonitoringResult) -> str:
    """Say how good answers are, as far as anyone knows."""
    judged, metric = found.judged, found.watch.definition.metric
    said = judged.quality.detail if judged.quality else judged.problem
    if metric in judged.estimate:
        said += f"; {write_score(judged.estimate[metric])} is estimated of the last window"
    if judged.off is not None:
        said += f" (estimates were off by {write_score(judged.off)} on average)"
    return said


def say_behind(found: MonitoringResult) -> str:
    """Say whether a quick model of what is known by now would do better."""
    behind = found.behind
    if behind.as_of is None:
        return behind.problem
    quick = f"a quick model of what was known by {write_moment(behind.as_of)} UTC"
    least = found.watch.definition.monitoring.rows
    if behind.rows < least:
        return f"{behind.rows:,} labels are new to {quick}, {least:,} are needed to tell"
    if behind.lost:
        return f"the champion has fallen behind {quick}: {behind.lost}"
    return f"the champion is not surely behind {quick}, on {behind.rows:,} rows since"


def say_drift(found: MonitoringResult) -> str:
    """Say how far inputs and predictions are from what the champion learned."""
    drifted = found.drifted
    if drifted.moved is None:
        return drifted.problem
    ranked = rank_moved(found)[:TOP]
    named = ", ".join(f"{name_column(each)} ({each.hellinger:.2f})" for each in ranked)
    return (
        f"The last window's {drifted.rows:,} rows lie {drifted.moved:.3f} (Hellinger, features "
        f"weighted by importance) from what was learned; most of it from {named}"
    )


def say_skew(found: MonitoringResult) -> str:
    """Say whether serving answers as training would."""
    skew = found.skew
    if skew.predictions is None:
        return skew.prediction_problem or "no answer could be compared with the training path"
    same = skew.predictions.compared - skew.predictions.rows
    said = f"{same:,} of {skew.predictions.compared:,} answers are what the training path gives"
    if skew.column_problem:
        return f"{said}; columns: {skew.column_problem}"
    odd = [each.column for each in skew.columns if each.rows]
    return f"{said}; columns that differ from the sources: {', '.join(odd[:TOP]) or 'none'}"


def say_service(service: ServiceHealth) -> str:
    """Say how requests were answered, and how quickly."""
    if service.counters is None:
        return "no server left counts of the last window"
    quick = "–" if service.median is None else f"{1000 * service.median:g} ms"
    slow = "beyond the last bound" if service.slowest is None else f"{1000 * service.slowest:g} ms"
    return (
        f"{service.answers:,} requests, {service.failed:,} failed (5xx), {service.refused:,} "
        f"refused (4xx); half of all answers took at most {quick}, 99% at most {slow}"
    )


def rank_moved(found: MonitoringResult) -> list[ColumnDrift]:
    """Order features and predictions by how far they moved, weighted by importance."""
    weights = found.drifted.weights

    def rank(each: ColumnDrift) -> tuple[float, float]:
        distance = each.hellinger or 0.0
        return -weights.get(each.column, 0.0) * distance, -distance

    return sorted((each for each in found.drifted.columns if each.psi is not None), key=rank)


def rank_lost(found: MonitoringResult) -> list[SliceQuality]:
    """Order slices by what they lost against the holdout."""
    known = [each for each in found.judged.slices if each.quality.gain is not None]
    return sorted(known, key=lambda each: each.quality.gain.value if each.quality.gain else 0.0)


def describe(found: MonitoringResult, report: str) -> dict[str, Any]:
    """Give what a program asks of a look: the numbers, and what was told."""
    watch, asked, judged, drifted = found.watch, found.asked, found.judged, found.drifted
    fields = {"rows", "labelled", "waiting", "overdue", "unknown", "keyless", "again", "twice"}
    return {
        "model": watch.definition.name,
        "champion": watch.version,
        "as_of": watch.as_of and watch.as_of.isoformat(),
        "until": asked.until.isoformat(),
        "rows": asked.rows,
        "outcomes": found.outcomes.model_dump(include=fields),
        "quality": judged.quality and judged.quality.model_dump(),
        "behind": found.behind.model_dump(mode="json"),
        "versions": [each.model_dump() for each in judged.versions],
        "slices": [each.model_dump() for each in rank_lost(found)],
        "estimate": judged.estimate,
        "estimate_off": judged.off,
        "windows": [each.model_dump(mode="json") for each in judged.spans],
        "drift": {
            "rows": drifted.rows,
            "moved": drifted.moved,
            "columns": [each.model_dump() for each in rank_moved(found)],
            "alarms": [each.model_dump() for each in drifted.alarms],
        },
        "skew": found.skew.model_dump(),
        "checks": [each.model_dump() for each in found.checks],
        "service": found.service.model_dump(mode="json"),
        "new_data": found.arrivals and found.arrivals.model_dump(),
        "events": [each.model_dump() for each in found.raised],
        "summary": dict(list_states(found)),
        "warnings": list(warn_of(found)),
        "report": report,
    }


def write_summary(found: MonitoringResult) -> str:
    """Write the short version in Markdown."""
    watch, asked = found.watch, found.asked
    period = f"{write_moment(asked.since)} to {write_moment(asked.until)} UTC"
    events = [[EVENTS[each.kind], STATES[each.state], each.reason] for each in found.raised]
    blocks = [
        f"# {watch.definition.name}: {'look at it' if found.raised else 'all quiet'}",
        plain(say_state(found)),
        f"{sum(asked.rows.values()):,} answers about {period}.",
        tabulate(["Finding", "Event", "What was found"], events) if events else "",
        tabulate(["What", "How it is"], list_states(found)),
        "\n".join(f"- {plain(warning)}" for warning in warn_of(found)),
    ]
    return "\n\n".join(filter(None, blocks)) + "\n"


def list_states(found: MonitoringResult) -> list[tuple[str, str]]:
    """List each part of the look with its sentence."""
    bad = failed(found.checks)
    contract = f"{len(found.checks) - len(bad)} of {len(found.checks)} checks passed"
    new = found.arrivals.reason if found.arrivals else found.watch.problem
    return [
        ("Quality", say_quality(found)),
        ("Yardstick", say_behind(found)),
        ("Drift", say_drift(found)),
        ("Skew", say_skew(found)),
        ("Contract", contract + "".join(f"; {each.detail}" for each in bad[:TOP])),
        ("Service", say_service(found.service)),
        ("New data", new),
    ]


def list_counts(found: MonitoringResult) -> Iterator[list[str]]:
    """List what became of the answers, with what each count means."""
    outcomes = found.outcomes
    meant = {
        "rows": "answers that count, one for each key and version",
        "labelled": "of them are known to have come true or not",
        "waiting": "are too young for a label",
        "overdue": "should have a label by now",
        "unknown": "have a key that the sources do not hold",
        "keyless": "came without a key",
        "again": "more were asked again later: the last before the event counts",
        "twice": "source rows repeat a key that was asked about",
    }
    for name, words in meant.items():
        yield [f"{getattr(outcomes, name):,}", words]


def name_column(each: ColumnDrift) -> str:
    return "prediction" if each.column == PREDICTION else each.column


def write_metrics(metrics: dict[Metric, float]) -> str:
    return ", ".join(f"{name} {write_score(value)}" for name, value in metrics.items()) or "–"


def write_missing(each: ColumnDrift) -> str:
    return f"{write_share(each.reference_nulls)} → {write_share(each.current_nulls)}"
