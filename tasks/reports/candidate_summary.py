"""A candidate's report in short, as Markdown: verdict, next step, warnings, checks and metrics.

Not responsible for its sentences (`candidate_text`), nor for the page (`candidate`).
"""

from collections.abc import Iterable, Iterator

from tasks.core.checks import Check
from tasks.core.model_card import title_card
from tasks.reports.candidate_text import (
    TOP,
    compare_models,
    explain_verdict,
    list_notes,
    list_warnings,
    next_steps,
    rank_slices,
)
from tasks.reports.display_names import name_check, name_metric, name_slice
from tasks.reports.formatting import escape_markdown, format_score, markdown_table
from tasks.reports.rare_class import order_metrics
from tasks.validation.candidate import Candidate


def write_summary(candidate: Candidate, changes: Iterable[str] = ()) -> str:
    """Write the short version in Markdown; `changes` are sentences on the champion."""
    definition = candidate.plan.definition
    verdict = "passed" if candidate.verdict.passed else "REFUSED"
    notes = [*list_notes(candidate), *_name_extremes(candidate), *changes]
    blocks = [
        f"# {definition.name} {candidate.plan.version}: {verdict}",
        escape_markdown(definition.description),
        escape_markdown(explain_verdict(candidate)),
        *(f"{escape_markdown(words)} `{command}`" for words, command in next_steps(candidate)),
        _list_under("Warnings", list_warnings(candidate)),
        _tabulate_checks(candidate.verdict.checks),
        _tabulate_metrics(candidate),
        *_write_card(candidate),
        _list_under("Worth knowing", notes),
    ]
    return "\n\n".join(filter(None, blocks)) + "\n"


def _list_under(title: str, sentences: Iterable[str]) -> str:
    lines = "\n".join(f"- {escape_markdown(sentence)}" for sentence in sentences)
    return lines and f"## {title}\n\n{lines}"


def _write_card(candidate: Candidate) -> Iterator[str]:
    titled = title_card(candidate.plan.definition.card.model_dump())
    if titled:
        yield "## Model card"
    for title, lines in titled:
        yield f"**{title}**: {escape_markdown(' '.join(lines))}"


def _name_extremes(candidate: Candidate) -> Iterator[str]:
    metric, importance = candidate.plan.definition.metric, candidate.evaluation.importance
    features = ", ".join(f"{each.feature} ({each.share:.0%})" for each in importance[:TOP])
    yield f"Most important features: {features}."
    weakest = ", ".join(
        f"{name_slice(each)} ({format_score(each.metrics[metric])})"
        for each in rank_slices(candidate)[:TOP]
    )
    unit = candidate.plan.definition.target.unit
    yield f"Weakest slices by {name_metric(metric, unit)}: {weakest or 'none'}."


def _tabulate_checks(checks: Iterable[Check]) -> str:
    rows = [
        [name_check(check), "passed" if check.passed else "FAILED", check.detail]
        for check in checks
    ]
    return markdown_table(["Check", "Result", "What was found"], rows)


def _tabulate_metrics(candidate: Candidate) -> str:
    models = compare_models(candidate)
    rows = [
        [
            name_metric(name, candidate.plan.definition.target.unit),
            *(format_score(each[name]) for each in models.values()),
            format_score(candidate.evaluation.metrics["train"][name]),
        ]
        for name in order_metrics(candidate)
    ]
    return markdown_table(["Metric", *models, "Candidate, on training rows"], rows)
