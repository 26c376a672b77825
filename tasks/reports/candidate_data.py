"""The data behind a candidate, as its report shows it: where rows went, contract, drift, columns.

Owns that part of the page. Refuses to measure (analysis did) and to write markup.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime

from tasks.analysis.column_summary import ColumnSummary
from tasks.analysis.profile_drift import FREQUENT, ColumnDrift
from tasks.core.checks import Check
from tasks.preparation.split import SplitRole
from tasks.reports import charts
from tasks.reports.candidate_text import (
    MOVED,
    MOVED_FAR,
    TOP,
    changed_columns,
    rank_drift,
    read_time,
    shorten,
    write_moment,
    write_share,
    write_value,
)
from tasks.reports.page import Html, figure, fold, grid, join, stamp, table, tag
from tasks.validation.candidate import Candidate

PARTS = {
    "fit": "trees are grown on these",
    "stop": "settled the number of rounds, then learned from too",
    "gap": "left out: their labels were not known when the holdout began",
    "holdout": "judged on, never learned from",
    "unlabelled": "matured, and yet without a label: left out",
    "immature": "too young to have a label: left out",
}
_BARS = 14


def show_data(candidate: Candidate) -> Iterator[Html]:
    """Show where rows went, whether the contract holds, how columns moved and what they hold."""
    analysis = candidate.analysis
    yield tag("h3", f"{candidate.snapshot.rows:,} rows, and where they went")
    yield from _show_parts(candidate)
    yield tag("h3", "Data contract")
    yield from _show_contract(analysis.checks)
    yield tag("p", "Warnings: ", "; ".join(analysis.warnings) or "none", ".", class_="muted")
    yield tag("h3", "Drift since the champion's snapshot")
    yield from _show_drift(candidate)
    yield tag("h3", "Columns")
    heads = ["Column", "Type", "Missing", "Distinct", "Min", "Mean", "Max", "Frequent values"]
    columns = [_describe_column(name, column) for name, column in analysis.columns.items()]
    yield table(heads, columns, "numbers columns")


def _show_parts(candidate: Candidate) -> Iterator[Html]:
    """Show rows by part, as a strip and as a table."""
    rows, dated = candidate.prepared.rows, candidate.prepared.split.holdout is not None
    names = [part.name.lower() for part in SplitRole if rows[part.name.lower()]]
    strip = [tag("i", class_=name, style=f"flex-grow:{rows[name]}") for name in names]
    yield tag("div", *strip, class_="strip", role="img", aria_label="Rows by part, as tabulated")
    heads = ["Part", "Rows", "Share", *(["Period (UTC)"] if dated else []), "What for"]
    yield table(heads, _list_parts(candidate), "numbers parts")


def _list_parts(candidate: Candidate) -> Iterator[list[object]]:
    prepared, split, total = candidate.prepared, candidate.prepared.split, candidate.snapshot.rows
    ends = [_first_time(candidate), split.stop, split.gap, split.holdout, split.matured]
    for part in SplitRole:
        name = part.name.lower()
        if count := prepared.rows[name]:
            span = [" – ".join(map(write_moment, ends[part : part + 2]))] if split.holdout else []
            label = join([tag("i", class_=f"swatch {name}"), name.capitalize()])
            yield [label, f"{count:,}", f"{count / total:.1%}", *span, PARTS[name]]
    for name, count in {"unlabelled": prepared.unlabelled, "immature": prepared.immature}.items():
        span = [""] if split.holdout else []
        yield [name.capitalize(), f"{count:,}", f"{count / total:.1%}", *span, PARTS[name]]


def _first_time(candidate: Candidate) -> datetime | None:
    column = candidate.analysis.columns.get(candidate.plan.definition.extract.time or "")
    return read_time(column, column.min) if column else None


def _show_contract(checks: Iterable[Check]) -> Iterator[Html]:
    """Show openly what failed or found something; fold away the rest, which only passed."""
    shown: list[Check] = []
    folded: list[Check] = []
    for each in checks:
        (folded if each.passed and not _found_anything(each) else shown).append(each)
    if shown:
        yield _tabulate_checks(shown)
    if folded:
        count = f"{len(folded)} other" if shown else f"{len(folded)}"
        summary = f"All {count} checks of the data contract passed"
        yield fold(summary, _tabulate_checks(folded))


def _found_anything(check: Check) -> bool:
    return any(value for name, value in check.numbers.items() if name not in ("allowed", "most"))


def _tabulate_checks(checks: Iterable[Check]) -> Html:
    rows = [[check.name, stamp(check.passed), check.detail] for check in checks]
    return table(["Check", "Result", "What was found"], rows, "checks")


def _show_drift(candidate: Candidate) -> Iterator[Html]:
    reference = candidate.analysis.reference
    if reference is None:
        yield tag("p", "There is no champion yet to compare with.")
        return
    if changed := changed_columns(candidate):
        yield _tabulate_changes(changed)
    ranked = rank_drift(candidate)[:_BARS]
    yield grid(_draw_shifts(ranked, reference), _tabulate_shifts(ranked))


def _tabulate_changes(changed: Iterable[ColumnDrift]) -> Html:
    rows = [
        [each.column, each.change, each.reference_dtype or "–", each.current_dtype or "–"]
        for each in changed
    ]
    return table(["Column", "Change", "Type before", "Type now"], rows)


def _draw_shifts(ranked: Iterable[ColumnDrift], reference: str) -> Html:
    psi = {each.column: each.psi or 0.0 for each in ranked}
    bars = [charts.Bar(name, psi[name], f"{psi[name]:.3f}", psi[name] < MOVED) for name in psi]
    text = (
        f"Against the snapshot of {reference}. Below {MOVED} hardly a shift, above {MOVED_FAR} "
        "a large one; columns made from the calendar move by themselves."
    )
    return figure("PSI by column", text, charts.draw_bars(bars, MOVED_FAR, "Columns by PSI"))


def _tabulate_shifts(ranked: Iterable[ColumnDrift]) -> Html:
    rows = [
        [
            each.column,
            f"{each.hellinger:.3f}",
            *map(write_share, (each.reference_nulls, each.current_nulls, each.unseen)),
        ]
        for each in ranked
    ]
    heads = ["Column", "Hellinger", "Missing before", "Missing now", "New levels"]
    return table(heads, rows, "numbers")


def _describe_column(name: str, column: ColumnSummary) -> list[object]:
    limits = [write_value(column, each) for each in (column.min, column.mean, column.max)]
    often = [each for each in column.top[:TOP] if each.count >= FREQUENT * column.rows]
    said = ", ".join(f"{shorten(each.value)} ({each.count / column.rows:.0%})" for each in often)
    distinct = "–" if column.distinct is None else f"{column.distinct:,}"
    kind = column.dtype.partition("(")[0]
    return [name, kind, write_share(column.null_share), distinct, *limits, said]
