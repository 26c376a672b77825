"""Proposal of a first definition, for a table that nobody has described.

Every value comes from the data, and the reason for it stands beside it as a comment. Not
responsible for training: `retrain` takes the text as it is.
"""

from pathlib import Path

from tasks.core.definition_file import DEFINITIONS, list_definitions
from tasks.core.errors import DefinitionError
from tasks.init.column_survey import survey_table
from tasks.init.definition_schema import write_schema
from tasks.init.feature_selection import choose_features
from tasks.init.key_discovery import find_key, leave_out_key
from tasks.init.names import list_few, settle_name
from tasks.init.target_kind import infer_target
from tasks.init.toml_writer import Draft, write_text


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
    if all(feature.reason for feature in features):
        reasons = list_few([f"{feature.column} ({feature.reason})" for feature in features])
        raise DefinitionError(f"{data}: nothing is left to learn from: {reasons}")
    draft = Draft(name=chosen, survey=survey, target=kind, key=found, features=features)
    doubts = (*survey.inferred.notes, *filter(None, [survey.event.doubt]))
    return chosen, write_text(draft), doubts


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
