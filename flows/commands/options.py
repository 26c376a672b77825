"""Arguments and options that several commands share, and how their text is read."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from flows.commands.completion import complete_models, complete_versions
from tasks.core.errors import DefinitionError
from tasks.core.time_zones import in_utc

Model = Annotated[
    str,
    typer.Argument(
        help="The model's name, or its definition file.", autocompletion=complete_models
    ),
]
Version = Annotated[
    str,
    typer.Argument(
        help="A version, or the letters it begins with.", autocompletion=complete_versions
    ),
]
Approver = Annotated[str, typer.Option("--as", help="Who decides; recorded as given.")]
Reason = Annotated[str, typer.Option(help="Why; kept in the ledger.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]


def name_of(model: str) -> str:
    """Give a model's name, which its definition file has where that is named instead."""
    from tasks.core.definition_file import load_definition

    return load_definition(Path(model)).name if model.endswith(".toml") else model


def time_option(option: str, text: str) -> Any:
    """Make an option that takes an ISO time, which is in UTC unless it has an offset."""

    def parse(given: str) -> datetime:
        try:
            moment = datetime.fromisoformat(given)
        except ValueError as error:
            hint = "write 2013-10-01 or 2013-10-01T06:00"
            raise DefinitionError(f"{option} {given!r} is no time; {hint}") from error
        return in_utc(moment)

    return typer.Option(option, help=text, parser=parse, metavar="<time>")


AsOf = Annotated[
    datetime | None, time_option("--as-of", "Use only what was known then, as in 2013-10-01 (UTC).")
]
