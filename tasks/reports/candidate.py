"""The page on which a person decides about a candidate, and its short version in Markdown.

The page shows what a decision needs first, and where it all comes from last.
"""

from collections.abc import Iterator

from tasks.comparison.candidate_changes import CandidateChanges
from tasks.core.checks import Check
from tasks.core.model_card import title_card
from tasks.core.model_sections import HIGHER_IS_BETTER, Metric
from tasks.reports import charts
from tasks.reports.candidate_calibration import list_recalibrated
from tasks.reports.candidate_changes import describe_changes, tell_changes
from tasks.reports.candidate_charts import draw_charts
from tasks.reports.candidate_data import describe_data
from tasks.reports.candidate_quantiles import HEADS, list_quantiles
from tasks.reports.candidate_slices import describe_slices
from tasks.reports.candidate_summary import write_summary
from tasks.reports.candidate_text import (
    compare_models,
    explain_verdict,
    list_notes,
    list_warnings,
    next_steps,
)
from tasks.reports.display_names import METRICS, name_check, name_metric
from tasks.reports.formatting import (
    format_gain,
    format_number,
    format_score,
    format_time,
)
from tasks.reports.rare_class import order_metrics
from tasks.reports.templates import render
from tasks.training.tuning import best_trial
from tasks.validation.candidate import Candidate


def draw_report(candidate: Candidate, changes: CandidateChanges | None = None) -> dict[str, str]:
    """Give a candidate's `report.html` and `report.md`, as text by file name.

    `changes` are those since the champion, where there is one.
    """
    return {
        "report.html": write_page(candidate, changes),
        "report.md": write_summary(candidate, tell_changes(changes) if changes else ()),
    }


def write_page(candidate: Candidate, changes: CandidateChanges | None = None) -> str:
    """Render the whole page."""
    plan, metric = candidate.plan, candidate.plan.definition.metric
    unit = plan.definition.target.unit
    models = compare_models(candidate)
    return render(
        "candidate.html.jinja",
        title=f"{plan.definition.name} {plan.version}",
        model=plan.definition.name,
        heading=plan.definition.description or plan.definition.name,
        version=plan.version,
        as_of=f" as of {format_time(plan.as_of)} UTC" if plan.as_of else "",
        target=plan.definition.target,
        passed=candidate.verdict.passed,
        reason=explain_verdict(candidate),
        metric=name_metric(metric, unit),
        sure=_bound(candidate),
        scores={model: format_score(scores[metric]) for model, scores in models.items()},
        steps=next_steps(candidate),
        **_tell_in_words(candidate),
        confidence=f"{plan.definition.gate.confidence * 100:g}%",
        checks=[_describe_check(each) for each in candidate.verdict.checks],
        comparisons=list(_list_comparisons(candidate)),
        notes=" ".join(_note_metrics(candidate)),
        recalibrated=list(list_recalibrated(candidate)),
        **_describe_folds(candidate),
        charts=list(draw_charts(candidate)),
        quantile_heads=HEADS,
        quantiles=list(list_quantiles(candidate)),
        **describe_slices(candidate),
        **describe_changes(changes),
        **describe_data(candidate),
        **_describe_lineage(candidate),
    )


def _bound(candidate: Candidate) -> str:
    """Give the interval of the candidate's metric, where it has one."""
    sure, confidence = candidate.evaluation.interval, candidate.plan.definition.gate.confidence
    if sure is None:
        return ""
    ends = f"{format_score(sure.low)} to {format_score(sure.high)}"
    return f"The candidate's {confidence * 100:g}% interval: {ends}"


def _tell_in_words(candidate: Candidate) -> dict[str, object]:
    return {
        "warnings": list(list_warnings(candidate)),
        "facts": list(list_notes(candidate)),
        "card": title_card(candidate.plan.definition.card.model_dump()),
    }


def _describe_check(check: Check) -> tuple[str, bool, str, str, str]:
    """Give a check's name, result, finding, and its numbers: as text, or a gain as a chart."""
    name, known = name_check(check), {k: v for k, v in check.numbers.items() if v != ""}
    numbers = {k: float(v) for k, v in known.items() if isinstance(v, int | float)}
    if not {"value", "low", "high"} <= numbers.keys():
        text = " · ".join(f"{each} {format_number(value)}" for each, value in known.items())
        return name, check.passed, check.detail, text, ""
    limit = -numbers.get("margin", 0.0)
    gain = charts.Gain(numbers["value"], numbers["low"], numbers["high"], limit)
    sure = f"interval {gain.low:+.4f} to {gain.high:+.4f}"
    label = f"{name}: {format_gain(gain.value)} ({sure}); the limit is {format_gain(limit)}"
    drawn = charts.draw_gain(gain, check.passed, label)
    return name, check.passed, check.detail, "", drawn


Comparison = tuple[list[str], list[tuple[str, str, list[tuple[str, bool]], list[str]]]]


def _list_comparisons(candidate: Candidate) -> Iterator[Comparison]:
    """Set the models side by side, on the same rows each time."""
    evaluation, champion = candidate.evaluation, candidate.verdict.champion
    caption = f"On the holdout ({evaluation.rows:,} rows)"
    order = order_metrics(candidate)
    unit = candidate.plan.definition.target.unit
    yield _compare(order, compare_models(candidate), evaluation.metrics["train"], caption, unit)
    if champion and champion.rows != evaluation.rows:
        models = {"Candidate": champion.candidate, "Champion": champion.metrics}
        yield _compare(
            order, models, {}, f"On the {champion.rows:,} rows that the champion never saw", unit
        )


def _compare(
    order: list[Metric],
    models: dict[str, dict[Metric, float]],
    train: dict[Metric, float],
    caption: str,
    unit: str | None,
) -> Comparison:
    """Give a table's heads, and its rows: name, meaning, scores (the best marked), on training."""
    rows = []
    for metric in order:
        values = [each[metric] for each in models.values()]
        best = max(values) if metric in HIGHER_IS_BETTER else min(values)
        scores = [(format_score(each), each == best) for each in values]
        seen = [format_score(train[metric])] if train else []
        rows.append((name_metric(metric, unit), METRICS[metric][1], scores, seen))
    return [caption, *models, *(["Candidate, on training rows"] if train else [])], rows


def _note_metrics(candidate: Candidate) -> Iterator[str]:
    definition, champion = candidate.plan.definition, candidate.verdict.champion
    yield "↑ higher is better, ↓ lower is better; ● marks the best."
    if definition.target.kind == "binary":
        threshold = definition.threshold
        yield (
            "Accuracy, precision, recall and F1 call a row positive from a probability of "
            f"{threshold:.4g} on{_tell_choice(candidate)}."
        )
    if weight := definition.training.weight:
        yield f"Each row counts as [training] weight says ({weight}): all metrics are weighted."
    if champion:
        twin = " (its evaluated twin: the released model was trained on part of this holdout)"
        yield f"The champion is {champion.version}{twin if champion.model == 'twin' else ''}."
    if candidate.refitted:
        yield (
            "The model to be released was fitted once more, by the same recipe, on all rows with "
            "a matured label; these numbers belong to its twin, which never saw the holdout."
        )


def _tell_choice(candidate: Candidate) -> str:
    chosen = candidate.evaluation.threshold
    if chosen is None:
        return ""
    by = {"cost": "the least cost", "f1": "the largest F1"}[chosen.by]
    return f", chosen by {by} ({chosen.value:.4g}) on {chosen.rows:,} rows of the stopping slice"


def _describe_folds(candidate: Candidate) -> dict[str, list[list[str]] | list[str]]:
    """Give what each stretch of the training window is predicted like by what was before it."""
    metric, folds = candidate.plan.definition.metric, candidate.evaluation.folds
    names = list(candidate.evaluation.metrics["holdout"])
    unit = candidate.plan.definition.target.unit
    named, interval = (
        [name_metric(each, unit) for each in names],
        f"{name_metric(metric)}, interval",
    )
    return {
        "fold_heads": ["Judged (UTC)", "Learned from", "Rows", *named, interval],
        "folds": [
            [
                f"{format_time(each.start)} – {format_time(each.end)}",
                f"{each.learned:,}",
                f"{each.rows:,}",
                *(format_score(each.metrics[name]) for name in names),
                f"{format_score(each.interval.low)} – {format_score(each.interval.high)}",
            ]
            for each in folds
        ],
    }


def _describe_lineage(candidate: Candidate) -> dict[str, object]:
    """Give what the candidate was made from and how, for whoever wants to make it again."""
    plan, trained, trials = candidate.plan, candidate.trained, candidate.trials
    taken = best_trial(trials) if trials else None
    searched = list(dict.fromkeys(name for each in trials for name in each.params))
    return {
        "lineage": {
            "Snapshot": plan.snapshot,
            **{f"Source {name}": digest[:16] for name, digest in plan.sources.items()},
            "Definition": f"{plan.definition.digest[:16]} ({plan.origin})",
            "Rounds": f"{trained.rounds:,}",
            **{name: str(value) for name, value in trained.params.items()},
        },
        "seconds": [[step.name, f"{step.seconds:.2f}"] for step in candidate.steps],
        "trial_heads": ["Trial", *searched, "Loss"],
        "trials": [
            [
                f"{place + 1}{' (taken)' if place == taken else ''}",
                *(f"{each.params[name]:.4g}" if name in each.params else "–" for name in searched),
                f"{each.loss:.5f}{' (pruned)' if each.pruned else ''}",
            ]
            for place, each in enumerate(trials)
        ],
    }
