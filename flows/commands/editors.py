"""Commands for editors: schema."""

from flows import console
from flows.commands.options import AsJson


def schema(as_json: AsJson = False) -> None:
    """Print the JSON Schema of a definition file, by which editors complete and check."""
    from tasks.init.definition_schema import definition_schema

    console.print_json(definition_schema())  # with --json or without
