"""Feature selection: which columns, and which parts of dates, a model may learn from.

A column is left out that holds one value, names its row or leaks the target; the reason is kept.
"""

from collections import Counter
from collections.abc import Iterable, Iterator

import polars as pl

from tasks.analysis.leakage_hints import AN_ID, follows_gaps
from tasks.analysis.target_sums import find_sums
from tasks.core.definition import Frozen
from tasks.core.model_sections import TargetKind
from tasks.core.sql import compile_expression, is_text
from tasks.init.column_statistics import ColumnStats
from tasks.init.column_survey import ColumnSurvey, draw_sample
from tasks.init.leakage import explain_leakage, remark, score_alone
from tasks.init.names import names_column, write_column
from tasks.init.target_kind import TargetSpec

_FEWEST_NAMES, _NEAR_UNIQUE = 20, 0.9
_GAPS = 1.1  # numbers to one row of a count: some rows may have been taken out


class Feature(Frozen):
    """One line of [features], of a column or a part of its date; a reason leaves it out."""

    column: str
    name: str
    sql: str
    note: str = ""
    reason: str = ""
    is_part: bool = False


def choose_features(survey: ColumnSurvey, target: TargetSpec) -> tuple[Feature, ...]:
    """Take every column but those that say nothing, name their row or leak the target.

    All that were looked at are given; those with a `reason` are left out.
    """
    table, facts, kind = survey.table, survey.facts, target.kind
    names = Counter(each.strip() for each in table.columns)
    columns = [column for column in facts if column != survey.target]
    offered = [feature for column in columns for feature in _offer(survey, column, names)]
    kept = {feature.name: feature.sql for feature in offered if not feature.reason}
    value = compile_expression(target.sql, table.columns, "--target")
    sample = draw_sample(table, value, kind, kept)
    alone, sums = score_alone(sample, kind), find_sums(sample)
    leaks = {
        name: explain_leakage(name, survey.target, kind, alone, sums)
        or _explain_gaps(sample, name, survey.target, kind)
        for name in kept
    }
    features = []
    for feature in offered:
        if feature.is_part and feature.name in kept and sample[feature.name].n_unique() < 2:
            continue  # a date without a clock has one hour
        reason = leaks.get(feature.name) or explain_repetition(feature, offered, sample)
        note = remark(feature.name, facts[feature.column], kind, alone)
        if not feature.reason and reason and all(leaks.values()):
            reason, note = "", reason  # with nothing else to learn from, a warning must do
        found = {"reason": feature.reason or reason, "note": note}
        features.append(feature.model_copy(update=found))
    return tuple(features)


def explain_exclusion(column: str, fact: ColumnStats) -> str:
    """Tell why a column cannot help, from what it holds alone."""
    text = is_text(fact.dtype)
    if not (text or fact.dtype.is_numeric() or fact.dtype in (pl.Boolean, pl.Null)):
        return f"{fact.dtype.base_type()}: neither number, text nor true/false"
    if not fact.values - fact.infinite:
        return "holds no value"
    if fact.distinct == 1 and not fact.nulls:
        return f"always {fact.first!r}"
    if is_counter(fact):
        return f"counts the rows, {fact.least:,.0f} to {fact.greatest:,.0f}"
    near_unique = fact.distinct >= max(_FEWEST_NAMES, _NEAR_UNIQUE * fact.values)
    if near_unique and (text or (fact.dtype.is_integer() and AN_ID.search(column))):
        return f"names the row: {fact.distinct:,} different values in {fact.values:,} rows"
    return ""


def _explain_gaps(sample: pl.DataFrame, name: str, target: str, kind: TargetKind) -> str:
    missing = sample[name].is_null().to_numpy()
    if not follows_gaps(missing, sample.to_series(0).to_numpy(), kind):
        return ""
    return f"missing, or there, as {target} says: is it known only after it?"


def is_counter(fact: ColumnStats) -> bool:
    """Tell whether a column counts the rows: whole numbers, each once, with hardly a gap."""
    if not fact.dtype.is_integer() or fact.least is None or fact.greatest is None:
        return False
    span = fact.greatest - fact.least + 1
    return fact.distinct == fact.rows and span <= fact.rows * _GAPS


def explain_repetition(feature: Feature, offered: Iterable[Feature], sample: pl.DataFrame) -> str:
    """Say which column a date's part repeats."""
    if not feature.is_part or feature.name not in sample.columns:
        return ""
    different = sample[feature.name].n_unique()
    for other in offered:
        if other.name in sample.columns and not other.is_part:
            pairs = sample.select(pl.struct(feature.name, other.name).n_unique()).item()
            if pairs == different == sample[other.name].n_unique():
                return f"says the same as {other.name}"
    return ""


def _offer(survey: ColumnSurvey, column: str, names: Counter[str]) -> Iterator[Feature]:
    """Give the features that a column can be: itself, or the parts of its date."""
    fact = survey.facts[column]
    if column in survey.dates or fact.dtype == pl.Time:
        yield from _offer_parts(survey, column, names)
        return
    name = column.strip() if names[column.strip()] == 1 else column
    sql, reason = write_column(column, survey.table.columns), explain_exclusion(column, fact)
    if not names_column(sql, column):
        reason = "its name cannot be written in SQL"
    yield Feature(column=column, name=name or "unnamed", sql=sql, reason=reason)


def _offer_parts(survey: ColumnSurvey, column: str, taken: Counter[str]) -> Iterator[Feature]:
    schema, dtype = survey.table.columns, survey.facts[column].dtype
    sql = survey.dates.get(column) or write_column(column, schema)
    of_event = column == survey.event.column
    reason = "" if of_event or dtype == pl.Time else "a date that is not the event time"
    clock = dtype != pl.Date and ("STRPTIME" not in sql or "%H" in sql or "%I" in sql)
    parts = {"hour": "hour"} if clock else {}
    parts |= {"weekday": "isodow"} if dtype != pl.Time else {}
    for part, keyword in parts.items():
        named = [part] * of_event + [f"{column.strip()}_{part}", f"{part} of {column.strip()}"]
        yield Feature(
            column=column,
            name=next(name for name in named if name not in taken),
            sql=f"DATE_PART('{keyword}', {sql})",
            reason=reason,
            is_part=True,
        )
