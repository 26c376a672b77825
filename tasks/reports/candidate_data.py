"""The data behind a candidate, as its page shows it: where rows went, contract, drift, columns."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from tasks.analysis.column_summary import ColumnSummary
from tasks.analysis.profile_drift import FREQUENT
from tasks.core.checks import Check
from tasks.preparation.split import SplitRole
from tasks.reports import charts
from tasks.reports.candidate_text import MOVED, MOVED_FAR, TOP, changed_columns, rank_drift
from tasks.reports.chart_findings import tell_ranking
from tasks.reports.chart_style import MOST_BARS
from tasks.reports.formatting import format_share, format_time, format_value, read_time, shorten
from tasks.reports.templates import Figure
from tasks.validation.candidate import Candidate

PARTS = {
    "fit": "trained on",
    "stop": "chose the number of rounds (early stopping), then trained on too",
    "gap": "left out: their labels were not known when the holdout began",
    "holdout": "evaluated on, never trained on",
    "group": "left out: their group is on the other side of the split",
    "unlabelled": "old enough for a label, and yet without one: left out",
    "immature": "too young to have a label: left out",
}
COLUMN_HEADS = ["Column", "Type", "Missing", "Distinct", "Min", "Mean", "Max", "Frequent values"]


def describe_data(candidate: Candidate) -> dict[str, object]:
    """Give the values of the template `candidate_data.html.jinja`."""
    prepared, checks = candidate.prepared, candidate.analysis.checks
    period = ["Period (UTC)"] if prepared.split.holdout else []
    shown = [each for each in checks if not each.passed or _found_anything(each)]
    return {
        "rows": f"{candidate.snapshot.rows:,}",
        "strip": {name: prepared.rows[name] for name, _ in _parts(candidate)},
        "part_heads": ["Part", "Rows", "Share", *period, "What for"],
        "parts": list(_list_parts(candidate)),
        "open_checks": list_checks(shown),
        "folded_checks": list_checks([each for each in checks if each not in shown]),
        "contract_warnings": "; ".join(candidate.analysis.warnings) or "none",
        "drift": _describe_drift(candidate),
        "column_heads": COLUMN_HEADS,
        "columns": [
            _describe_column(name, column) for name, column in candidate.analysis.columns.items()
        ],
    }


def _parts(candidate: Candidate) -> Iterator[tuple[str, str]]:
    """Give each part that has rows, and its period."""
    split = candidate.prepared.split
    ends = [_first_time(candidate), split.stop, split.gap, split.holdout, split.matured]
    spans = {part: ends[part : part + 2] for part in SplitRole}
    if candidate.plan.definition.training.group is not None:  # rows are split by group as well
        spans[SplitRole.FIT] = spans[SplitRole.STOP] = [ends[0], split.gap]
        spans[SplitRole.GROUP] = [ends[0], split.matured]
    for part, span in spans.items():
        name = part.name.lower()
        if candidate.prepared.rows.get(name):
            yield name, " – ".join(map(format_time, span))


def _list_parts(candidate: Candidate) -> Iterator[tuple[str, str, list[str]]]:
    """Give each part's name, its colour's class in the style sheet, and its other cells."""
    prepared, total = candidate.prepared, candidate.snapshot.rows

    def cells(name: str, count: int, period: str) -> list[str]:
        span = [period] if prepared.split.holdout else []
        return [f"{count:,}", format_share(count / total), *span, PARTS[name]]

    for name, period in _parts(candidate):
        yield name.capitalize(), name, cells(name, prepared.rows[name], period)
    for name, count in {"unlabelled": prepared.unlabelled, "immature": prepared.immature}.items():
        yield name.capitalize(), "", cells(name, count, "")


def _first_time(candidate: Candidate) -> datetime | None:
    column = candidate.analysis.columns.get(candidate.plan.definition.extract.time or "")
    return read_time(column, column.min) if column else None


def list_checks(checks: list[Check] | tuple[Check, ...]) -> list[tuple[str, bool, str]]:
    return [(each.name, each.passed, each.detail) for each in checks]


def _found_anything(check: Check) -> bool:
    return any(value for name, value in check.numbers.items() if name not in ("allowed", "most"))


def _describe_drift(candidate: Candidate) -> dict[str, Any] | None:
    reference, ranked = candidate.analysis.reference, rank_drift(candidate)[:MOST_BARS]
    if reference is None:
        return None
    bars = [
        charts.Bar(each.column, psi, f"{psi:.3f}", faint=psi < MOVED)
        for each in ranked
        if (psi := each.psi) is not None
    ]
    text = (
        f"Against the snapshot of {reference}. Below {MOVED} hardly a shift, above {MOVED_FAR} "
        "a large one; columns made from the calendar move by themselves."
    )
    said = tell_ranking("Columns by PSI", [(each.label, each.text) for each in bars])
    return {
        "changes": [
            [each.column, each.change, each.reference_dtype or "–", each.current_dtype or "–"]
            for each in changed_columns(candidate)
        ],
        "chart": Figure("PSI by column", text, charts.draw_bars(bars, MOVED_FAR, said)),
        "shifts": [
            [
                each.column,
                f"{each.hellinger:.3f}",
                *map(format_share, (each.reference_nulls, each.current_nulls, each.unseen)),
            ]
            for each in ranked
        ],
    }


def _describe_column(name: str, column: ColumnSummary) -> list[str]:
    limits = [format_value(column, each) for each in (column.min, column.mean, column.max)]
    often = [each for each in column.top[:TOP] if each.count >= FREQUENT * column.rows]
    said = ", ".join(f"{shorten(each.value)} ({each.count / column.rows:.0%})" for each in often)
    distinct = "–" if column.distinct is None else f"{column.distinct:,}"
    kind = column.dtype.partition("(")[0]
    return [name, kind, format_share(column.null_share), distinct, *limits, said]
