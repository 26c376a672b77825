"""TOML of a proposed definition: its sections in the usual order, with comments beside the lines.

Not responsible for choices: all that is written was decided before.
"""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from tasks.core.data_sections import Source
from tasks.core.definition import Frozen
from tasks.core.durations import write_duration
from tasks.core.model_sections import METRICS, Serving, Training
from tasks.core.schedule import Schedule
from tasks.core.sql import quote_name
from tasks.core.wording import list_few
from tasks.init.column_survey import ColumnSurvey
from tasks.init.definition_schema import POINTER
from tasks.init.feature_selection import Feature
from tasks.init.key_discovery import RowKey
from tasks.init.proposed_contract import write_checks, write_columns
from tasks.init.series import Series, write_tables
from tasks.init.target_kind import TargetSpec
from tasks.init.toml_syntax import align, array, comment, inline_table, lay_out, multiline, quote
from tasks.init.type_inference import InferredTypes

_HOLDOUT_ROWS, _MOST_HOLDOUT = 125, 0.4


class Draft(Frozen):
    """All that was decided, before it is put into words."""

    name: str
    survey: ColumnSurvey
    target: TargetSpec
    key: RowKey
    features: tuple[Feature, ...]
    groups: tuple[tuple[str, float], ...] = ()
    series: Series | None = None


def write_text(draft: Draft) -> str:
    """Put a draft into words, section by section in the order of every definition."""
    sections = [
        _write_head(draft),
        _write_sources(draft.survey.inferred),
        _write_extract(draft),
        *_write_tables(draft),
        _write_target(draft),
        _write_features(draft.features),
        write_checks(draft.survey, draft.target, draft.key),
        write_columns(draft.survey, draft.features),
        _write_rest(draft),
    ]
    return "\n\n".join("\n".join(section) for section in sections) + "\n"


def _write_head(draft: Draft) -> Iterator[str]:
    size = f"{draft.survey.rows:,} rows, {len(draft.survey.facts)} columns"
    yield POINTER
    yield from comment(f"Drafted by `perennial init` from {draft.survey.data}: {size}.")
    yield from comment("What stands here was seen in the data, and is yours to change. Then run:")
    yield f"#     perennial retrain {draft.name}"
    yield ""
    yield f"name = {quote(draft.name)}"
    described = f"Predicts {draft.survey.target}, from {Path(draft.survey.data).name}"
    yield f"description = {quote(described)}"


def _write_sources(inferred: InferredTypes) -> Iterator[str]:
    yield "[sources]"
    for token in inferred.source.null_values:
        columns = [column for column, tokens in inferred.missing.items() if token in tokens]
        yield from comment(f"{token!r} stands for missing in {list_few(columns)}")
    for note in inferred.notes:
        yield from comment(note)
    bare = Source.model_validate(inferred.source.uri)
    given = inferred.source.model_dump()
    others = {key: value for key, value in given.items() if value != getattr(bare, key)}
    inside = {"uri": inferred.source.uri, **others}
    value = inline_table(inside) if others else quote(inferred.source.uri)
    yield f"{inferred.name} = {value}"


def _write_extract(draft: Draft) -> Iterator[str]:
    yield "[extract]"
    query = draft.survey.inferred.query
    for column, tokens in draft.survey.inferred.missing.items():
        if not set(tokens) <= set(draft.survey.inferred.source.null_values):
            shown = ", ".join(map(repr, tokens))
            yield from comment(f"in {column}, {shown} stands for missing: TRY_CAST makes it so")
    if query is not None:
        yield f"query = {multiline(query)}"
    event, key = draft.survey.event, draft.key
    if event.column is None:
        yield from comment(event.note)
    lines = [(f"time = {quote(event.column)}", event.note)] if event.column else []
    if event.column and getattr(draft.survey.facts[event.column].dtype, "time_zone", None) is None:
        lines.append(('# time_zone = "UTC"', "the times name none"))
    code = f"key = {array(key.columns)}" if key.columns else '# key = ["COLUMN"]'
    lines.append((code, key.note))
    if event.column:
        lines.append(('# window = "365d"', "train on the newest rows only; left out: on all"))
    yield from lay_out(lines)


def _write_tables(draft: Draft) -> Iterator[Iterator[str]]:
    """Write what a series came to by then: a table for each lag, which all rows look up."""
    event = draft.survey.event.column
    if draft.series is None or event is None:
        return
    for head, lines in write_tables(draft.series, draft.survey.inferred.name, event):
        yield iter([head, *lines])


def _write_target(draft: Draft) -> Iterator[str]:
    yield "[target]"
    why, *notes = draft.target.notes
    for note in notes:
        yield from comment(note)
    lines = [
        (f"value = {quote(draft.target.sql)}", ""),
        (f"kind = {quote(draft.target.kind)}", why),
    ]
    if draft.series is not None:
        step = f'matures_after = "{write_duration(draft.series.step)}"'
        lines.append((step, "how long after its time a row's target is known: by the next row"))
    elif draft.survey.event.column:
        lines.append(('# matures_after = "1d"', "how long after its time a row's target is known"))
    yield from lay_out(lines)


def _write_features(features: Sequence[Feature]) -> Iterator[str]:
    yield "[features]"
    kept = [feature for feature in features if not feature.reason]
    left_out = [feature for feature in features if feature.reason]
    yield from lay_out(align([(feature.name, feature.sql, feature.note) for feature in kept]))
    if left_out:
        yield ""
        yield from comment("Left out, and why. To take one in, remove the # before it.")
        lines = align([(feature.name, feature.sql, feature.reason) for feature in left_out])
        yield from lay_out([(f"# {code}", reason) for code, reason in lines])


def _write_rest(draft: Draft) -> Iterator[str]:
    kind, timed = draft.target.kind, draft.survey.event.column is not None
    usual = Training.model_fields["holdout"].default
    share = max(usual, min(_MOST_HOLDOUT, _HOLDOUT_ROWS / draft.target.labelled))
    which = "the newest rows" if timed else "rows"
    other = ', or as "30d"' if timed else ""
    holdout = (f"# holdout = {usual}", f"share of {which} to judge by{other}")
    if share > usual:
        few = f"only {draft.target.labelled:,} rows have a target, and the gate asks for 100 here"
        holdout = (f"holdout = {math.ceil(share * 100) / 100}", few)
    most = Training.model_fields["rounds"].default
    rounds = (f"# rounds = {most}", "at most; early stopping settles how many")
    params = ("# params = { num_leaves = 63 }", "any of LightGBM's, in place of what it would be")
    if draft.series is not None:
        small = "params = { num_leaves = 15, learning_rate = 0.05, min_data_in_leaf = 30 }"
        params = (small, "small trees: a series has few rows, and much noise")
    first, *others = METRICS[kind]
    yield "[training]"
    yield from lay_out([holdout, rounds, params])
    for name, each in draft.groups:
        said = f"about {each:.0f} rows of each: keep them on one side of the split?"
        yield from lay_out([(f"# group = {quote(quote_name(name))}", said)])
    yield "\n[gate]"
    yield from lay_out([(f'# metric = "{first}"', f"or {', '.join(others)}")])
    if draft.series is not None:
        naive = [(each.naive, each.name, "") for each in draft.series.lags if each.naive]
        yield "\n[gate.naive]"
        yield from comment("What anybody could say, and a model has to beat.")
        yield from lay_out(align(naive))
    yield "\n[approval]"
    yield from lay_out([('# mode = "manual"', "or auto: what passes the gate needs no person")])
    if kind == "binary":
        yield "\n[serving]"
        threshold = f"# threshold = {Serving.model_fields['threshold'].default}"
        yield from lay_out([(threshold, "a probability from here on is called true")])
    yield from _write_card()
    yield from _write_schedule()


def _write_card() -> Iterator[str]:
    yield "\n[card]"
    keys = [
        ('# purpose = "…"', "what the model is for, and who uses it"),
        ('# limits = "…"', "where it is known to fail"),
        ('# owner = "…"', "who answers for it"),
    ]
    yield from lay_out(keys)


def _write_schedule() -> Iterator[str]:
    usual = Schedule()
    yield "\n[schedule]"
    times = [
        (f'# retrain = "{usual.retrain}"', "cron, or never; then run: perennial deploy"),
        (f'# monitor = "{usual.monitor}"', ""),
        (f'# time_zone = "{usual.time_zone}"', 'or as "Europe/Berlin"'),
    ]
    yield from lay_out(times)
