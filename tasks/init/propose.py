"""Proposal of a first definition, for a table that nobody has described.

Every value comes from the data, and the reason for it stands beside it as a comment. Not
responsible for training: `retrain` takes the text as it is.
"""

from pathlib import Path

import polars as pl

from tasks.analysis.leakage_hints import explain_entity, find_entities
from tasks.core.definition_file import DEFINITIONS, list_definitions
from tasks.core.errors import DefinitionError
from tasks.core.wording import list_few
from tasks.init.column_survey import ColumnSurvey, survey_table
from tasks.init.definition_schema import write_schema
from tasks.init.feature_selection import choose_features
from tasks.init.key_discovery import find_key, leave_out_key
from tasks.init.names import settle_name
from tasks.init.series import describe_lags, find_series
from tasks.init.target_kind import TargetSpec, infer_target
from tasks.init.toml_writer import Draft, write_text

_GROUPED_ROWS = 200_000  # by which entities are found


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

    Gives its name, its text, and what in it a person should look at first. DefinitionError or
    SourceError where no model can come of the table.
    """
    chosen = settle_name(name, data)
    survey = survey_table(data, target, time, key, project)
    kind = infer_target(survey)
    features = choose_features(survey, kind)
    found = find_key(survey, key, features)
    features = tuple(leave_out_key(feature, found) for feature in features)
    if found.numbers:
        survey = survey.number_rows(found.columns[0])
    series = find_series(survey, kind, features)
    if series is not None:
        features = (*features, *describe_lags(series, survey))
    if all(feature.reason for feature in features):
        reasons = list_few([f"{feature.column} ({feature.reason})" for feature in features])
        raise DefinitionError(f"{data}: nothing is left to learn from: {reasons}")
    entities = () if survey.event.column else find_groups(survey, kind)
    draft = Draft(
        name=chosen, survey=survey, target=kind, key=found, features=features, groups=entities,
        series=series,
    )  # fmt: skip
    told = [
        survey.event.doubt,
        f"[extract] key: {found.note}" * found.numbers,
        *(f"[training] group: {explain_entity(*each)}" for each in entities),
    ]
    doubts = (*survey.inferred.notes, *filter(None, told))
    return chosen, write_text(draft), doubts


def find_groups(survey: ColumnSurvey, target: TargetSpec) -> tuple[tuple[str, float], ...]:
    """Find columns that many rows have in common, which a split at random puts on both sides."""
    rows = survey.table.rows.head(_GROUPED_ROWS)
    columns = [name for name in survey.facts if name != survey.target]
    return tuple(find_entities(rows, pl.sql_expr(target.sql), target.kind, columns).items())


def find_place(name: str) -> Path:
    """Say where a definition of this name belongs; refused where there is one already."""
    path = DEFINITIONS / f"{name.replace('-', '_')}.toml"
    if taken := list_definitions().get(name):
        raise _is_taken(taken)
    return path


def write_draft(name: str, text: str) -> Path:
    """Put a drafted definition where the model is looked for; never over one that is there.

    The schema that its first line points to lies beside it.
    """
    path = find_place(name)
    try:
        path.parent.mkdir(exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
        write_schema()
    except FileExistsError as error:
        raise _is_taken(path) from error
    return path


def _is_taken(path: Path) -> DefinitionError:
    return DefinitionError(f"{path}: is there already; edit it, or give another --name")
