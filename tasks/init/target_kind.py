"""Target kind: whether a column asks for a binary, multiclass or regression model.

Responsible for the target's SQL, and for which of its values is true.
"""

import math

import polars as pl

from tasks.core.definition import Frozen
from tasks.core.errors import DefinitionError
from tasks.core.model_sections import TargetKind
from tasks.core.sql import is_text
from tasks.core.wording import list_few
from tasks.init.column_statistics import ColumnStats, count_levels
from tasks.init.column_survey import ColumnSurvey
from tasks.init.names import write_column
from tasks.sources.query import SourceTable, collect

_CLASS_ROWS, _EARLY_ROWS, _EARLY = 20, 12, 0.8  # preparation asks for 10 rows of each class
_YES = ("yes", "y", "true", "t", "1", "ja", "j", "wahr", "oui", "si", "sí", "sim", "da", "tak")
_NO = ("no", "n", "false", "f", "0", "nein", "falsch", "non", "não", "nao", "nej", "net", "nie")
_MOST_CLASSES, _MOST_CODES, _IN_CLASSES = 100, 20, 0.9
_COUNTED = 4  # different numbers that a count has before the rare ones begin, at least


class TargetSpec(Frozen):
    """The target as SQL, its kind, and what was seen that led to it."""

    sql: str
    kind: TargetKind
    labelled: int
    rate: float | None = None
    notes: tuple[str, ...] = ()


def infer_target(survey: ColumnSurvey) -> TargetSpec:
    """Decide what kind of model the target asks for, and how it is written.

    DefinitionError where the column holds one value, no value, or what no model predicts.
    """
    table, column, fact = survey.table, survey.target, survey.facts[survey.target]
    if not fact.values:
        said = "holds no value at all"
    elif not (is_text(fact.dtype) or fact.dtype.is_numeric() or fact.dtype == pl.Boolean):
        said = f"is {fact.dtype}, which no model here predicts"
    else:
        said = f"is always {fact.first!r}" if fact.distinct == 1 else ""
    if said:
        raise DefinitionError(f"--target: column {column!r} {said}")
    sql = write_column(column, table.columns)
    target = None
    if is_text(fact.dtype) or fact.distinct <= _MOST_CODES:
        value = pl.col(column).fill_nan(None) if fact.dtype.is_float() else pl.col(column)
        levels = count_levels(table, value)
        target = _infer_spellings(sql, fact, levels)
        if target is None and fact.distinct == 2:
            target = _infer_binary(sql, fact, levels)
        target = target or _infer_classes(table, column, sql, fact, levels)
    target = target or _infer_number(sql, fact)
    lacking = fact.rows - target.labelled
    left_out = (f"{lacking:,} of {fact.rows:,} rows have no target and are left out",)
    return target.model_copy(update={"notes": target.notes + left_out * bool(lacking)})


def _infer_binary(sql: str, fact: ColumnStats, levels: dict[str, int]) -> TargetSpec:
    """Call the rarer text true, or the larger number; 0 and 1 say it themselves."""
    if is_text(fact.dtype):
        yes, why = _choose_yes(levels)
        sql = f"{sql} = {_literal(yes, fact)}"
    elif fact.dtype == pl.Boolean or (fact.least, fact.greatest) == (0, 1):
        yes = max(levels, key=lambda level: level in ("true", "1", "1.0"))
        why = "true and false" if fact.dtype == pl.Boolean else "0 and 1"
    else:
        yes = max(levels, key=float)
        sql, why = f"{sql} = {yes}", f"two numbers; {yes} is the larger one"
    few = tuple(
        f"only {count:,} rows are {level!r}: too few to trust what is learned of them"
        for level, count in levels.items()
        if count < _CLASS_ROWS
    )
    seen = f"{why}: true in {levels[yes]:,} rows ({levels[yes] / sum(levels.values()):.1%})"
    return _make_binary(sql, levels, [yes], (seen, *few))


def _make_binary(
    sql: str, levels: dict[str, int], true: list[str], notes: tuple[str, ...]
) -> TargetSpec:
    labelled = sum(levels.values())
    rate = sum(levels[level] for level in true) / labelled
    return TargetSpec(sql=sql, kind="binary", labelled=labelled, rate=rate, notes=notes)


def _choose_yes(levels: dict[str, int]) -> tuple[str, str]:
    """Choose the text that says yes, or else the rarer one."""
    said = {_tell_yes(level): level for level in levels}
    if set(said) == {True, False}:
        return said[True], f"two texts; {said[True]!r} says yes"
    yes = min(levels, key=lambda level: (levels[level], level))
    return yes, f"two texts; {yes!r} is the rarer one"


def _tell_yes(level: str) -> bool | None:
    word = level.strip().lower()
    return True if word in _YES else False if word in _NO else None


def _infer_spellings(sql: str, fact: ColumnStats, levels: dict[str, int]) -> TargetSpec | None:
    """Make one question of yes and no that are spelt in several ways."""
    said = {level: _tell_yes(level) for level in levels}
    if not is_text(fact.dtype) or set(said.values()) != {True, False} or len(levels) < 3:
        return None
    yes = sorted(level for level in levels if said[level])
    rate = sum(levels[level] for level in yes) / sum(levels.values())
    listed = ", ".join(_literal(level, fact) for level in yes)
    note = f"{len(levels)} spellings of yes and no: yes in {rate:.1%} of rows"
    return _make_binary(f"{sql} IN ({listed})", levels, yes, (note,))


def _infer_classes(
    table: SourceTable, column: str, sql: str, fact: ColumnStats, levels: dict[str, int]
) -> TargetSpec | None:
    """Make classes of texts or of few whole numbers; one with too few rows is left out."""
    text = is_text(fact.dtype)
    if not text and not all(float(level).is_integer() for level in levels):
        return None
    kept = _often_enough(table, column, levels)
    labelled = sum(kept.values())
    if text and not 2 <= len(kept) <= _MOST_CLASSES:
        raise DefinitionError(
            f"--target: column {column!r} has {fact.distinct:,} different texts, of which "
            f"{len(kept):,} are in enough rows; 2 to {_MOST_CLASSES} such classes are needed"
        )
    if len(kept) < 2 or (not text and labelled < _IN_CLASSES * sum(levels.values())):
        return None
    if not text and _is_tail(levels, kept):
        return None
    target = TargetSpec(
        sql=f"CAST({sql} AS BIGINT)" if fact.dtype.is_float() else sql,
        kind="multiclass",
        labelled=labelled,
        notes=(f"{len(levels)} different {'texts' if text else 'whole numbers'}",),
    )
    if len(kept) == 2:
        target = _infer_binary(sql, fact, kept)
    if len(kept) == len(levels):
        return target
    listed = ", ".join(_literal(level, fact) for level in kept)
    rare = [f"{level!r} ({levels[level]:,} rows)" for level in levels if level not in kept]
    note = f"too rare to be a class, and so left out: {list_few(rare)}"
    case = f"CASE WHEN {sql} IN ({listed}) THEN {target.sql} END"
    return target.model_copy(update={"sql": case, "notes": (*target.notes, note)})


def _is_tail(levels: dict[str, int], kept: dict[str, int]) -> bool:
    """Tell whether what is rare are a count's large numbers: then it is a number, and no class.

    To leave them out, as rare classes are, would leave out those that matter most.
    """
    rare = [float(level) for level in levels if level not in kept]
    if len(rare) < 2 or min(map(float, levels)) not in (0, 1):
        return False
    before = [count for level, count in kept.items() if float(level) < min(rare)]
    return len(before) >= _COUNTED and sum(before) >= _IN_CLASSES * sum(levels.values())


def _often_enough(table: SourceTable, column: str, levels: dict[str, int]) -> dict[str, int]:
    """Keep the classes with enough rows, and enough of them before the holdout will begin."""
    early = levels
    if table.time is not None:
        cut = collect(table, table.rows.select(table.time.quantile(_EARLY, "lower"))).item()
        early = count_levels(table, pl.col(column), table.time < cut)
    return {
        level: count
        for level, count in levels.items()
        if count >= _CLASS_ROWS and early.get(level, 0) >= _EARLY_ROWS
    }


def _infer_number(sql: str, fact: ColumnStats) -> TargetSpec:
    span = f"from {_number(fact.least)} to {_number(fact.greatest)}"
    notes = (f"a number with {fact.distinct:,} different values, {span}",)
    if fact.infinite:
        sql = f"CASE WHEN ABS({sql}) < 1e308 THEN {sql} END"
    return TargetSpec(sql=sql, kind="regression", labelled=fact.values - fact.infinite, notes=notes)


def _literal(level: str, fact: ColumnStats) -> str:
    return "'" + level.replace("'", "''") + "'" if is_text(fact.dtype) else level


def _number(value: float | None) -> str:
    """Write a number for TOML and for people alike, whole ones without a point."""
    if value is None or not math.isfinite(value):
        return "?"
    return f"{value:.0f}" if value.is_integer() and abs(value) < 1e15 else f"{value:.6g}"
