"""Drafting: a first definition for a table that nobody has described, as text to read and edit.

Owns what goes into that file and the reason that stands beside it; every value comes from the
data. Refuses to train and to judge: `retrain` takes the text as it is.
"""

import json
import math
import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import polars as pl

from tasks.definition import DEFINITIONS, METRICS, Frozen, Kind, Serving, Source, Training
from tasks.errors import DefinitionError
from tasks.expressions import compile_expression, is_text
from tasks.sources import Table, collect
from tasks.survey import (
    Facts,
    Reading,
    Survey,
    count_levels,
    count_unique,
    draw_sample,
    find_dates,
    find_sum,
    judge_alone,
    slug,
    survey_table,
    write_column,
)

_WIDTH, _CODE_WIDTH, _NAME_WIDTH = 100, 44, 20
_CLASS_ROWS, _EARLY_ROWS, _EARLY = 20, 12, 0.8  # preparation asks for 10 rows of each class
_MOST_CLASSES, _MOST_CODES, _MANY_LEVELS, _NEAR_UNIQUE = 100, 20, 1000, 0.9
_HOLDOUT_ROWS, _MOST_HOLDOUT = 125, 0.4
_KEY_ROWS, _KEY_COLUMNS, _KEY_CANDIDATES = 2_000_000, 3, 40
_ROOM, _CHANCE, _MOST_LACKING = 0.05, 0.01, 0.4
_GIVEN_AWAY: dict[Kind, float] = {"binary": 0.99, "multiclass": 0.98, "regression": 0.9}
_STRONG: dict[Kind, float] = {"binary": 0.95, "multiclass": 0.9, "regression": 0.7}
_SCORE: dict[Kind, str] = {
    "binary": "AUC {:.3f} alone",
    "multiclass": "{:.1%} of a blind guess's errors avoided alone",
    "regression": "R² {:.3f} alone",
}
_AN_ID = re.compile(r"(?i:(^|[\W_])(id|uuid|guid)$)|[a-z](Id|ID)$")

Line = tuple[str, str]  # what TOML reads, and the comment beside it


class Outcome(Frozen):
    """The target as SQL, its kind, and what was seen that led to it."""

    sql: str
    kind: Kind
    labelled: int
    rate: float | None = None
    notes: tuple[str, ...] = ()


class Key(Frozen):
    columns: tuple[str, ...] = ()
    note: str = ""
    repeated: float = 0.0


class Feature(Frozen):
    """One line of [features], of a column or a part of its date; a reason leaves it out."""

    column: str
    name: str
    sql: str
    note: str = ""
    reason: str = ""
    is_part: bool = False


class Draft(Frozen):
    """All that was decided, before it is put into words."""

    name: str
    survey: Survey
    outcome: Outcome
    key: Key
    features: tuple[Feature, ...]


def draft_definition(
    data: str,
    target: str,
    *,
    time: str | None,
    key: tuple[str, ...],
    name: str | None,
    project: Path,
) -> tuple[str, str]:
    """Look at a table and write a definition that predicts one of its columns."""
    chosen = settle_name(name, f"{Path(data).name.partition('.')[0]}-{target}")
    survey = survey_table(data, target, time, key, project)
    outcome = settle_target(survey)
    features = choose_features(survey, outcome)
    found = settle_key(survey, key, features)
    features = tuple(_leave_out_key(feature, found) for feature in features)
    if all(feature.reason for feature in features):
        reasons = _enumerate([f"{feature.column} ({feature.reason})" for feature in features])
        raise DefinitionError(f"{data}: nothing is left to learn from: {reasons}")
    draft = Draft(name=chosen, survey=survey, outcome=outcome, key=found, features=features)
    return chosen, write_text(draft)


def write_draft(name: str, text: str) -> Path:
    """Put a drafted definition where the model is looked for; never over one that is there."""
    path = DEFINITIONS / f"{name.replace('-', '_')}.toml"
    try:
        path.parent.mkdir(exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise DefinitionError(f"{path}: is there already; edit it, or give a --name") from error
    return path


def settle_name(given: str | None, otherwise: str) -> str:
    """Take the name that is given, or make one."""
    name = slug(given or otherwise, "-") or "model"
    if given and name != given:
        rule = "small letters, digits and dashes"
        raise DefinitionError(f"--name {given!r}: a name is made of {rule}, as {name!r}")
    return name


def settle_target(survey: Survey) -> Outcome:
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
        outcome = settle(table, column, sql, fact, levels)
    outcome = outcome or _settle_number(sql, fact)
    lacking = fact.rows - outcome.labelled
    left_out = (f"{lacking:,} of {fact.rows:,} rows have no target and are left out",)
    return outcome.model_copy(update={"notes": outcome.notes + left_out * bool(lacking)})


def choose_features(survey: Survey, outcome: Outcome) -> tuple[Feature, ...]:
    """Take every column but those that say nothing, name their row or give the target away."""
    table, facts, target, kind = survey.table, survey.facts, survey.target, outcome.kind
    dates = find_dates(table, facts)
    offered = [
        feature
        for column in facts
        if column != target
        for feature in _offer(survey, column, dates.get(column, ""))
    ]
    kept = {feature.name: feature.sql for feature in offered if not feature.reason}
    value = compile_expression(outcome.sql, table.columns, "--target")
    sample = draw_sample(table, value, kind, kept)
    alone, summed = judge_alone(sample, kind), find_sum(sample)
    given_away = {name: _give_away(name, target, kind, alone, summed) for name in kept}
    features = []
    for feature in offered:
        if feature.is_part and feature.name in kept and sample[feature.name].n_unique() < 2:
            continue  # a date without a clock has one hour
        reason = given_away.get(feature.name) or _repeats(feature, offered, sample)
        note = _remark(feature, facts[feature.column], kind, alone)
        if not feature.reason and reason and all(given_away.values()):
            reason, note = "", reason  # with nothing else to learn from, a warning must do
        found = {"reason": feature.reason or reason, "note": note}
        features.append(feature.model_copy(update=found))
    return tuple(features)


def settle_key(survey: Survey, given: tuple[str, ...], features: Sequence[Feature]) -> Key:
    """Find columns that tell each row from every other, where that costs little."""
    facts, event, rows = survey.facts, survey.event, survey.rows
    if given:
        repeated = 1 - count_unique(survey.table, [given])[0] / rows
        note = f"{repeated:.1%} of rows repeat it" if repeated else "no row repeats it"
        return Key(columns=given, note=note, repeated=repeated)
    taken = (survey.target, event.column)
    unique = [name for name, fact in facts.items() if fact.distinct == rows and name not in taken]
    texts = [name for name in unique if is_text(facts[name].dtype)]
    whole = [name for name in unique if facts[name].dtype.is_integer()]
    named = [name for name in (*texts, *whole) if _AN_ID.search(name)]
    if named or texts:
        return Key(columns=((named or texts)[0],), note="different in every row")
    if event.column and rows <= _KEY_ROWS and (grown := _grow_key(survey, features)):
        return Key(
            columns=grown,
            note="different in every row" if len(grown) == 1 else "together different in every row",
            repeated=_CHANCE,
        )
    if whole and _is_counter(facts[whole[0]]):
        return Key(columns=(whole[0],), note="counts the rows: does it go on in the next file?")
    return Key(note="none was found that is different in every row")


def _settle_binary(
    table: Table, column: str, sql: str, fact: Facts, levels: dict[str, int]
) -> Outcome:
    """Call the rarer text true, or the larger number; 0 and 1 say it themselves."""
    if is_text(fact.dtype):
        yes = min(levels, key=lambda level: (levels[level], level))
        sql, why = f"{sql} = {_literal(yes, fact)}", f"two texts; {yes!r} is the rarer one"
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


def _settle_classes(
    table: Table, column: str, sql: str, fact: Facts, levels: dict[str, int]
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
    if len(kept) < 2 or (not text and labelled < _NEAR_UNIQUE * sum(levels.values())):
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
    note = f"too rare to be a class, and so left out: {_enumerate(rare)}"
    case = f"CASE WHEN {sql} IN ({listed}) THEN {outcome.sql} END"
    return outcome.model_copy(update={"sql": case, "notes": (*outcome.notes, note)})


def _often_enough(table: Table, column: str, levels: dict[str, int]) -> dict[str, int]:
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


def _offer(survey: Survey, column: str, date: str) -> Iterator[Feature]:
    """Give the features that a column can be: itself, or the parts of its date."""
    schema, fact = survey.table.columns, survey.facts[column]
    if date or fact.dtype == pl.Time:
        yield from _offer_parts(survey, column, date)
        return
    names = [each.strip() for each in schema]
    name = column.strip() if names.count(column.strip()) == 1 else column
    sql = write_column(column, schema)
    reason = _why_left_out(column, fact)
    try:
        compile_expression(sql, schema, "")
    except DefinitionError:
        reason = "its name cannot be written in SQL"
    yield Feature(column=column, name=name or "unnamed", sql=sql, reason=reason)


def _offer_parts(survey: Survey, column: str, date: str) -> Iterator[Feature]:
    schema, dtype = survey.table.columns, survey.facts[column].dtype
    sql, of_event = date or write_column(column, schema), column == survey.event.column
    reason = "" if of_event or dtype == pl.Time else "a date that is not the event time"
    clock = dtype != pl.Date and ("STRPTIME" not in sql or "%H" in sql or "%I" in sql)
    parts = {"hour": "hour"} if clock else {}
    parts |= {"weekday": "isodow"} if dtype != pl.Time else {}
    taken = {each.strip() for each in schema}
    for part, keyword in parts.items():
        names = [part] * of_event + [f"{column.strip()}_{part}", f"{part} of {column.strip()}"]
        yield Feature(
            column=column,
            name=next(name for name in names if name not in taken),
            sql=f"DATE_PART('{keyword}', {sql})",
            reason=reason,
            is_part=True,
        )


def _why_left_out(column: str, fact: Facts) -> str:
    """Tell why a column cannot help, from what it holds alone."""
    text = is_text(fact.dtype)
    if not (text or fact.dtype.is_numeric() or fact.dtype in (pl.Boolean, pl.Null)):
        return f"{fact.dtype.base_type()}: neither number, text nor true/false"
    if not fact.values - fact.infinite:
        return "holds no value"
    if fact.distinct == 1 and not fact.nulls:
        return f"always {fact.first!r}"
    if _is_counter(fact):
        return f"counts the rows, {fact.least:,.0f} to {fact.greatest:,.0f}"
    near_unique = fact.distinct >= max(_CLASS_ROWS, _NEAR_UNIQUE * fact.values)
    if near_unique and (text or (fact.dtype.is_integer() and _AN_ID.search(column))):
        return f"names the row: {fact.distinct:,} different values in {fact.values:,} rows"
    return ""


def _is_counter(fact: Facts) -> bool:
    if not fact.dtype.is_integer() or fact.least is None or fact.greatest is None:
        return False
    return fact.greatest - fact.least + 1 == fact.distinct == fact.rows


def _give_away(
    name: str, target: str, kind: Kind, alone: dict[str, float], summed: tuple[str, ...]
) -> str:
    """Say how a feature tells the target almost perfectly, alone or with others."""
    score = alone.get(name, 0.0)
    said = [_SCORE[kind].format(score)] if score >= _GIVEN_AWAY[kind] else []
    if name in summed:
        others = _enumerate([each for each in summed if each != name])
        said.insert(0, f"adds up to it with {others}" if others else "a number times it")
    return f"gives {target} away: {', '.join(said)}" if said else ""


def _repeats(feature: Feature, offered: Iterable[Feature], sample: pl.DataFrame) -> str:
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


def _remark(feature: Feature, fact: Facts, kind: Kind, alone: dict[str, float]) -> str:
    score = alone.get(feature.name, 0.0)
    if score >= _STRONG[kind]:
        return f"{_SCORE[kind].format(score)}; is it known in advance?"
    if is_text(fact.dtype) and fact.distinct > _MANY_LEVELS:
        return f"{fact.distinct:,} different texts, of which the frequent ones count"
    return ""


def _grow_key(survey: Survey, features: Iterable[Feature]) -> tuple[str, ...]:
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


def _leave_out_key(feature: Feature, key: Key) -> Feature:
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


def _enumerate(words: Sequence[str]) -> str:
    shown = ", ".join(words[:4])
    return f"{shown} and {len(words) - 4} more" if len(words) > 4 else shown


def write_text(draft: Draft) -> str:
    """Put a draft into words, section by section in the order of every definition."""
    sections = [
        _write_head(draft),
        _write_sources(draft.survey.reading),
        _write_extract(draft),
        _write_target(draft),
        _write_features(draft.features),
        _write_checks(draft),
        _write_columns(draft),
        _write_rest(draft),
    ]
    return "\n\n".join("\n".join(section) for section in sections) + "\n"


def _write_head(draft: Draft) -> Iterator[str]:
    size = f"{draft.survey.rows:,} rows, {len(draft.survey.facts)} columns"
    yield from _note(f"Drafted by `perennial init` from {draft.survey.data}: {size}.")
    yield from _note("What stands here was seen in the data, and is yours to change. Then run:")
    yield f"#     perennial retrain {draft.name}"
    yield ""
    yield f"name = {_toml(draft.name)}"
    described = f"Predicts {draft.survey.target}, from {Path(draft.survey.data).name}"
    yield f"description = {_toml(described)}"


def _write_sources(reading: Reading) -> Iterator[str]:
    yield "[sources]"
    signs: dict[str, list[str]] = {}
    for column, tokens in reading.missing.items():
        for token in tokens:
            signs.setdefault(token, []).append(column)
    for token in reading.source.null_values:
        yield from _note(f"{token!r} stands for missing in {_enumerate(signs[token])}")
    bare = Source.model_validate(reading.source.uri)
    told = {
        key: value
        for key, value in reading.source.model_dump().items()
        if value != getattr(bare, key)
    }
    inside = {"uri": reading.source.uri, **told}
    value = _inline(inside) if told else _toml(reading.source.uri)
    yield f"{reading.name} = {value}"


def _write_extract(draft: Draft) -> Iterator[str]:
    yield "[extract]"
    query = draft.survey.reading.query
    for column, tokens in draft.survey.reading.missing.items():
        if not set(tokens) <= set(draft.survey.reading.source.null_values):
            shown = ", ".join(map(repr, tokens))
            yield from _note(f"in {column}, {shown} stands for missing: TRY_CAST makes it so")
    if query is not None:
        yield f"query = {_block(query)}"
    event, key = draft.survey.event, draft.key
    if event.column is None:
        yield from _note(event.note)
    lines = [(f"time = {_toml(event.column)}", event.note)] if event.column else []
    if event.column and getattr(draft.survey.facts[event.column].dtype, "time_zone", None) is None:
        lines.append(('# time_zone = "UTC"', "the times name none"))
    code = f"key = {_array(key.columns)}" if key.columns else '# key = ["COLUMN"]'
    lines.append((code, key.note))
    if event.column:
        lines.append(('# window = "365d"', "train on the newest rows only; left out: on all"))
    yield from _lay_out(lines)


def _write_target(draft: Draft) -> Iterator[str]:
    yield "[target]"
    why, *notes = draft.outcome.notes
    for note in notes:
        yield from _note(note)
    lines = [
        (f"value = {_toml(draft.outcome.sql)}", ""),
        (f"kind = {_toml(draft.outcome.kind)}", why),
    ]
    if draft.survey.event.column:
        lines.append(('# matures_after = "1d"', "how long after its time a row's target is known"))
    yield from _lay_out(lines)


def _write_features(features: Sequence[Feature]) -> Iterator[str]:
    yield "[features]"
    kept = [feature for feature in features if not feature.reason]
    left_out = [feature for feature in features if feature.reason]
    yield from _lay_out(_align([(feature.name, feature.sql, feature.note) for feature in kept]))
    if left_out:
        yield ""
        yield from _note("Left out, and why. To take one in, remove the # before it.")
        lines = _align([(feature.name, feature.sql, feature.reason) for feature in left_out])
        yield from _lay_out([(f"# {code}", reason) for code, reason in lines])


def _align(features: Sequence[tuple[str, str, str]]) -> list[Line]:
    width = min(_NAME_WIDTH, max(len(_key(name)) for name, _, _ in features))
    return [(f"{_key(name):<{width}} = {_toml(sql)}", said) for name, sql, said in features]


def _write_checks(draft: Draft) -> Iterator[str]:
    yield "[checks]"
    yield from _note("The data contract: what breaks it stops a run. Wide on purpose; tighten it.")
    future, rate = draft.survey.event.future, draft.outcome.rate
    seen = draft.survey.rows - future
    lines = [(f"rows = {_round_down(seen / 2):_}", f"{seen:,} were seen")]
    if draft.key.repeated:
        allowed = _allow(draft.key.repeated, _CHANCE)
        lines.append((f"duplicates = {allowed}", "rows that may repeat the key"))
    lacking = 1 - draft.outcome.labelled / draft.survey.rows
    if lacking > _MOST_LACKING:
        lines.append((f"unlabelled = {_allow(lacking, _ROOM)}", f"{lacking:.1%} have no target"))
    if rate is not None:
        odds = rate / (1 - rate)
        low, high = (each / (1 + each) for each in (odds / 3, odds * 3))
        lines.append((f"label_rate = [{low:.2g}, {high:.2g}]", f"{rate:.2g} were true"))
    if future:
        lines.append(("allow_future = true", f"{future:,} rows are later than now"))
    if draft.survey.event.column:
        lines.append(('# max_age = "7d"', "how old the newest row may be"))
    yield from _lay_out(lines)


def _write_columns(draft: Draft) -> Iterator[str]:
    yield "[checks.columns]"
    used = {
        feature.column: None
        for feature in draft.features
        if not feature.reason and not feature.is_part
    }
    width = min(_NAME_WIDTH, max((len(_key(column)) for column in used), default=0))
    for column in used:
        yield f"{_key(column):<{width}} = {_write_rule(draft.survey.facts[column])}"


def _write_rule(fact: Facts) -> str:
    kind = (
        "number" if fact.dtype.is_numeric() else "boolean" if fact.dtype == pl.Boolean else "text"
    )
    rule: dict[str, object] = {"type": kind}
    nulls = _allow(fact.nulls / fact.rows, _ROOM)
    rule |= {"nulls": nulls} if nulls < 1 else {}
    infinite = _allow(fact.infinite / fact.rows, _ROOM)
    rule |= {"infinite": infinite} if fact.infinite else {}
    if limits := _widen(fact):
        rule |= {"min": limits[0], "max": limits[1], "outside": infinite}
    if fact.levels and kind == "text":
        rule |= {"unseen": _ROOM, "values": tuple(sorted(fact.levels))}
    return _inline(rule)


def _write_rest(draft: Draft) -> Iterator[str]:
    kind, timed = draft.outcome.kind, draft.survey.event.column is not None
    usual = Training.model_fields["holdout"].default
    share = max(usual, min(_MOST_HOLDOUT, _HOLDOUT_ROWS / draft.outcome.labelled))
    which = "the newest rows" if timed else "rows"
    other = ', or as "30d"' if timed else ""
    holdout = (f"# holdout = {usual}", f"share of {which} to judge by{other}")
    if share > usual:
        few = f"only {draft.outcome.labelled:,} rows have a target, and the gate asks for 100 here"
        holdout = (f"holdout = {math.ceil(share * 100) / 100}", few)
    rounds = (
        f"# rounds = {Training.model_fields['rounds'].default}",
        "at most; early stopping settles how many",
    )
    params = ("# params = { num_leaves = 31, learning_rate = 0.1 }", "any of LightGBM's")
    first, *others = METRICS[kind]
    yield "[training]"
    yield from _lay_out([holdout, rounds, params])
    yield "\n[gate]"
    yield from _lay_out([(f'# metric = "{first}"', f"or {', '.join(others)}")])
    yield "\n[approval]"
    yield from _lay_out([('# mode = "manual"', "or auto: what passes the gate needs no person")])
    if kind == "binary":
        yield "\n[serving]"
        threshold = f"# threshold = {Serving.model_fields['threshold'].default}"
        yield from _lay_out([(threshold, "a probability from here on is called true")])


def _note(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(_printable(text), _WIDTH - 2)]


def _lay_out(lines: Sequence[Line]) -> Iterator[str]:
    """Align the comments beside their lines, and put one that is too long above its line."""
    short = [len(code) for code, comment in lines if comment and len(code) <= _CODE_WIDTH]
    width = max(short, default=0)
    for code, comment in lines:
        line = f"{code:<{width}}  # {_printable(comment)}" if comment else code
        if len(line) > _WIDTH and comment:
            yield from _note(comment)
            line = code
        yield line


def _printable(text: str) -> str:
    return "".join(sign if sign.isprintable() else json.dumps(sign)[1:-1] for sign in text)


def _toml(text: str) -> str:
    """Write a TOML string, in the quotes that need no escapes where there are such."""
    if ('"' in text or "\\" in text) and "'" not in text and text.isprintable():
        return f"'{text}'"
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _block(text: str) -> str:
    plain = all(sign.isprintable() or sign == "\n" for sign in text)
    return f"'''\n{text}'''" if plain and "'''" not in text else _toml(text)


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _toml(name)


def _inline(table: dict[str, object]) -> str:
    line = ", ".join(f"{_key(key)} = {_value(value)}" for key, value in table.items())
    return f"{{ {line} }}"


def _value(value: object) -> str:
    if isinstance(value, str):
        return _toml(value)
    if isinstance(value, dict):
        return _inline(value)
    return _array(value) if isinstance(value, tuple) else repr(value)


def _array(texts: Sequence[str]) -> str:
    """Write a list of texts, over several lines where one is too long."""
    line = ", ".join(map(_toml, texts))
    if len(line) <= _WIDTH // 2:
        return f"[{line}]"
    lines, room = [""], _WIDTH - 4
    for text in map(_toml, texts):
        if len(lines[-1]) + len(text) > room:
            lines.append("")
        lines[-1] += f"{text}, "
    return "[\n" + "".join(f"    {each.rstrip()}\n" for each in lines) + "]"


def _allow(share: float, room: float) -> float:
    return min(1.0, math.ceil((share * 1.25 + room) * 100) / 100)


def _widen(fact: Facts) -> tuple[float, float] | None:
    """Give limits as far out again as values are spread; what counts from 0 stays above it."""
    if fact.least is None or fact.greatest is None:
        return None
    spread = fact.greatest - fact.least or abs(fact.least) or 1.0
    limits = fact.least - spread, fact.greatest + spread
    if fact.least == 0 or (fact.dtype.is_integer() and fact.least > 0):
        limits = max(0.0, limits[0]), limits[1]
    if not all(map(math.isfinite, (*limits, spread))):
        return None
    step = 10.0 ** (math.floor(math.log10(spread)) - 1)
    low, high = math.floor(limits[0] / step) * step, math.ceil(limits[1] / step) * step
    return _shorten(low), _shorten(high)


def _shorten(number: float) -> float:
    short = float(f"{number:.6g}")
    return int(short) if short.is_integer() and abs(short) < 1e15 else short


def _round_down(number: float) -> int:
    step = 10 ** max(0, math.floor(math.log10(max(1.0, number))) - 1)
    return max(1, int(number // step * step))
