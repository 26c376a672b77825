"""Drafting: a first definition for a table that nobody has described, as text to read and edit.

Owns the choice of target, key and features and the reason that stands beside it; every value
comes from the data. Refuses to train and to judge: `retrain` takes the text as it is.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import polars as pl

from tasks.core.definition_file import DEFINITIONS, list_definitions
from tasks.core.errors import DefinitionError
from tasks.core.names import is_model
from tasks.core.sql import compile_expression, is_text
from tasks.init.column_survey import (
    ColumnSurvey,
    Facts,
    count_levels,
    count_unique,
    draw_sample,
    name_table,
    names_column,
    slug,
    survey_table,
    write_column,
)
from tasks.init.leakage import (
    AN_ID,
    Feature,
    give_away,
    is_counter,
    judge_alone,
    remark,
    why_left_out,
    why_repeated,
)
from tasks.init.target_sums import find_sums
from tasks.init.toml_writer import CHANCE, Draft, Outcome, TomlKey, write_text
from tasks.init.type_inference import list_few
from tasks.sources.query import SourceTable, collect

_CLASS_ROWS, _EARLY_ROWS, _EARLY = 20, 12, 0.8  # preparation asks for 10 rows of each class
_YES = ("yes", "y", "true", "t", "1", "ja", "j", "wahr", "oui", "si", "sí", "sim", "da", "tak")
_NO = ("no", "n", "false", "f", "0", "nein", "falsch", "non", "não", "nao", "nej", "net", "nie")
_MOST_CLASSES, _MOST_CODES, _IN_CLASSES = 100, 20, 0.9
_KEY_ROWS, _KEY_COLUMNS, _KEY_CANDIDATES = 2_000_000, 3, 40


def draft_definition(
    data: str,
    target: str,
    *,
    time: str | None,
    key: tuple[str, ...],
    name: str | None,
    project: Path,
) -> tuple[str, str, tuple[str, ...]]:
    """Look at a table and write a definition that predicts one of its columns.

    Gives its name, its text, and what in it a person should look at first.
    """
    chosen = settle_name(name, data)
    survey = survey_table(data, target, time, key, project)
    outcome = settle_target(survey)
    features = choose_features(survey, outcome)
    found = settle_key(survey, key, features)
    features = tuple(_leave_out_key(feature, found) for feature in features)
    if all(feature.reason for feature in features):
        reasons = list_few([f"{feature.column} ({feature.reason})" for feature in features])
        raise DefinitionError(f"{data}: nothing is left to learn from: {reasons}")
    draft = Draft(name=chosen, survey=survey, outcome=outcome, key=found, features=features)
    doubts = (*survey.reading.notes, *filter(None, [survey.event.doubt]))
    return chosen, write_text(draft), doubts


def find_place(name: str) -> Path:
    """Say where a definition of this name belongs; refused where there is one already."""
    path = DEFINITIONS / f"{name.replace('-', '_')}.toml"
    if taken := list_definitions().get(name):
        raise _is_taken(taken)
    return path


def write_draft(name: str, text: str) -> Path:
    """Put a drafted definition where the model is looked for; never over one that is there."""
    path = find_place(name)
    try:
        path.parent.mkdir(exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise DefinitionError(
            f"{path}: is there already; edit it, or give another --name"
        ) from error
    return path


def _is_taken(path: Path) -> DefinitionError:
    return DefinitionError(f"{path}: is there already; edit it, or give another --name")


def settle_name(given: str | None, data: str) -> str:
    """Take the name that is given, or the data's."""
    if given is None:
        return slug(name_table(data), "-") or "model"
    if not is_model(given):
        rule = "small letters, digits and, between them, hyphens, 63 at most"
        raise DefinitionError(
            f"--name {given!r}: a name is made of {rule}, as {slug(given, '-') or 'model'!r}"
        )
    return given


def settle_target(survey: ColumnSurvey) -> Outcome:
    """Decide what kind of model the target asks for, and how it is written."""
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
    outcome = None
    if is_text(fact.dtype) or fact.distinct <= _MOST_CODES:
        value = pl.col(column).fill_nan(None) if fact.dtype.is_float() else pl.col(column)
        levels = count_levels(table, value)
        settle = _settle_binary if fact.distinct == 2 else _settle_classes
        outcome = _settle_spellings(sql, fact, levels) or settle(table, column, sql, fact, levels)
    outcome = outcome or _settle_number(sql, fact)
    lacking = fact.rows - outcome.labelled
    left_out = (f"{lacking:,} of {fact.rows:,} rows have no target and are left out",)
    return outcome.model_copy(update={"notes": outcome.notes + left_out * bool(lacking)})


def choose_features(survey: ColumnSurvey, outcome: Outcome) -> tuple[Feature, ...]:
    """Take every column but those that say nothing, name their row or give the target away."""
    table, facts, target, kind = survey.table, survey.facts, survey.target, outcome.kind
    names = Counter(each.strip() for each in table.columns)
    offered = [
        feature for column in facts if column != target for feature in _offer(survey, column, names)
    ]
    kept = {feature.name: feature.sql for feature in offered if not feature.reason}
    value = compile_expression(outcome.sql, table.columns, "--target")
    sample = draw_sample(table, value, kind, kept)
    alone, sums = judge_alone(sample, kind), find_sums(sample)
    given_away = {name: give_away(name, target, kind, alone, sums) for name in kept}
    features = []
    for feature in offered:
        if feature.is_part and feature.name in kept and sample[feature.name].n_unique() < 2:
            continue  # a date without a clock has one hour
        reason = given_away.get(feature.name) or why_repeated(feature, offered, sample)
        note = remark(feature, facts[feature.column], kind, alone)
        if not feature.reason and reason and all(given_away.values()):
            reason, note = "", reason  # with nothing else to learn from, a warning must do
        found = {"reason": feature.reason or reason, "note": note}
        features.append(feature.model_copy(update=found))
    return tuple(features)


def settle_key(
    survey: ColumnSurvey, given: tuple[str, ...], features: Sequence[Feature]
) -> TomlKey:
    """Find columns that tell each row from every other, where that costs little."""
    facts, event, rows = survey.facts, survey.event, survey.rows
    if given:
        repeated = 1 - count_unique(survey.table, [given])[0] / rows
        note = f"{repeated:.1%} of rows repeat it" if repeated else "no row repeats it"
        return TomlKey(columns=given, note=note, repeated=repeated)
    taken = (survey.target, event.column)
    unique = [name for name, fact in facts.items() if fact.distinct == rows and name not in taken]
    texts = [name for name in unique if is_text(facts[name].dtype)]
    whole = [name for name in unique if facts[name].dtype.is_integer()]
    named = [name for name in (*texts, *whole) if AN_ID.search(name)]
    if named or texts:
        return TomlKey(columns=((named or texts)[0],), note="different in every row")
    if event.column and rows <= _KEY_ROWS and (grown := _grow_key(survey, features)):
        return TomlKey(
            columns=grown,
            note="different in every row" if len(grown) == 1 else "together different in every row",
            repeated=CHANCE,
        )
    if whole and is_counter(facts[whole[0]]):
        return TomlKey(columns=(whole[0],), note="counts the rows: does it go on in the next file?")
    return TomlKey(note="none was found that is different in every row")


def _settle_binary(
    table: SourceTable, column: str, sql: str, fact: Facts, levels: dict[str, int]
) -> Outcome:
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
    labelled = sum(levels.values())
    rate = levels[yes] / labelled
    few = tuple(
        f"only {count:,} rows are {level!r}: too few to trust what is learned of them"
        for level, count in levels.items()
        if count < _CLASS_ROWS
    )
    seen = f"{why}: true in {levels[yes]:,} rows ({rate:.1%})"
    return Outcome(sql=sql, kind="binary", labelled=labelled, rate=rate, notes=(seen, *few))


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


def _settle_spellings(sql: str, fact: Facts, levels: dict[str, int]) -> Outcome | None:
    """Make one question of yes and no that are spelt in several ways."""
    said = {level: _tell_yes(level) for level in levels}
    if not is_text(fact.dtype) or set(said.values()) != {True, False} or len(levels) < 3:
        return None
    yes = sorted(level for level in levels if said[level])
    labelled = sum(levels.values())
    rate = sum(levels[level] for level in yes) / labelled
    listed = ", ".join(_literal(level, fact) for level in yes)
    return Outcome(
        sql=f"{sql} IN ({listed})",
        kind="binary",
        labelled=labelled,
        rate=rate,
        notes=(f"{len(levels)} spellings of yes and no: yes in {rate:.1%} of rows",),
    )


def _settle_classes(
    table: SourceTable, column: str, sql: str, fact: Facts, levels: dict[str, int]
) -> Outcome | None:
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
    outcome = Outcome(
        sql=f"CAST({sql} AS BIGINT)" if fact.dtype.is_float() else sql,
        kind="multiclass",
        labelled=labelled,
        notes=(f"{len(levels)} different {'texts' if text else 'whole numbers'}",),
    )
    if len(kept) == 2:
        outcome = _settle_binary(table, column, sql, fact, kept)
    if len(kept) == len(levels):
        return outcome
    listed = ", ".join(_literal(level, fact) for level in kept)
    rare = [f"{level!r} ({levels[level]:,} rows)" for level in levels if level not in kept]
    note = f"too rare to be a class, and so left out: {list_few(rare)}"
    case = f"CASE WHEN {sql} IN ({listed}) THEN {outcome.sql} END"
    return outcome.model_copy(update={"sql": case, "notes": (*outcome.notes, note)})


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


def _settle_number(sql: str, fact: Facts) -> Outcome:
    span = f"from {_number(fact.least)} to {_number(fact.greatest)}"
    notes = (f"a number with {fact.distinct:,} different values, {span}",)
    if fact.infinite:
        sql = f"CASE WHEN ABS({sql}) < 1e308 THEN {sql} END"
    return Outcome(sql=sql, kind="regression", labelled=fact.values - fact.infinite, notes=notes)


def _offer(survey: ColumnSurvey, column: str, names: Counter[str]) -> Iterator[Feature]:
    """Give the features that a column can be: itself, or the parts of its date."""
    fact = survey.facts[column]
    if column in survey.dates or fact.dtype == pl.Time:
        yield from _offer_parts(survey, column, names)
        return
    name = column.strip() if names[column.strip()] == 1 else column
    sql, reason = write_column(column, survey.table.columns), why_left_out(column, fact)
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


def _grow_key(survey: ColumnSurvey, features: Iterable[Feature]) -> tuple[str, ...]:
    """Add to the event time the column that tells most rows apart, until all are, or give up."""
    facts, event = survey.facts, survey.event
    assert event.column is not None
    key, different = [event.column], facts[event.column].distinct
    candidates = [
        feature.column
        for feature in features
        if not feature.reason
        and not facts[feature.column].nulls
        and not facts[feature.column].dtype.is_float()
        and feature.column != event.column
    ][:_KEY_CANDIDATES]
    while different < survey.rows and len(key) <= _KEY_COLUMNS and candidates:
        counts = count_unique(survey.table, [(*key, each) for each in candidates])
        best = max(
            zip(counts, candidates, strict=True), key=lambda at: (at[0], -facts[at[1]].distinct)
        )
        different = best[0]
        key.append(best[1])
        candidates.remove(best[1])
    return tuple(key) if different == survey.rows else ()


def _leave_out_key(feature: Feature, key: TomlKey) -> Feature:
    """Leave out a column that is the whole key; parts of a key may well say something."""
    if feature.reason or key.columns != (feature.column,) or feature.is_part:
        return feature
    return feature.model_copy(update={"reason": "the key"})


def _literal(level: str, fact: Facts) -> str:
    return "'" + level.replace("'", "''") + "'" if is_text(fact.dtype) else level


def _number(value: float | None) -> str:
    """Write a number for TOML and for people alike, whole ones without a point."""
    if value is None or not math.isfinite(value):
        return "?"
    return f"{value:.0f}" if value.is_integer() and abs(value) < 1e15 else f"{value:.6g}"
