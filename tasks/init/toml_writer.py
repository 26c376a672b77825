"""Draft: all that was decided for a first definition, and the text that it becomes.

Owns the sections, the checks and how wide they are, the comments and their place beside the
lines. Refuses to look at the data: what it says was seen or decided before.
"""

import json
import math
import re
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from tasks.core.data_sections import Source
from tasks.core.definition import METRICS, Frozen, Serving, TargetKind, Training
from tasks.init.column_survey import ColumnSurvey, Facts
from tasks.init.leakage import Feature
from tasks.init.type_inference import InferredTypes, list_few

CHANCE = 0.01  # share of rows that may repeat a key which was different in every row so far
_WIDTH, _CODE_WIDTH, _NAME_WIDTH = 100, 44, 20
_HOLDOUT_ROWS, _MOST_HOLDOUT = 125, 0.4
_ROOM, _MOST_LACKING = 0.05, 0.4

Line = tuple[str, str]  # what TOML reads, and the comment beside it


class Outcome(Frozen):
    """The target as SQL, its kind, and what was seen that led to it."""

    sql: str
    kind: TargetKind
    labelled: int
    rate: float | None = None
    notes: tuple[str, ...] = ()


class TomlKey(Frozen):
    columns: tuple[str, ...] = ()
    note: str = ""
    repeated: float = 0.0


class Draft(Frozen):
    """All that was decided, before it is put into words."""

    name: str
    survey: ColumnSurvey
    outcome: Outcome
    key: TomlKey
    features: tuple[Feature, ...]


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


def _write_sources(reading: InferredTypes) -> Iterator[str]:
    yield "[sources]"
    signs: dict[str, list[str]] = {}
    for column, tokens in reading.missing.items():
        for token in tokens:
            signs.setdefault(token, []).append(column)
    for token in reading.source.null_values:
        yield from _note(f"{token!r} stands for missing in {list_few(signs[token])}")
    for note in reading.notes:
        yield from _note(note)
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
        allowed = _allow(draft.key.repeated, CHANCE)
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
