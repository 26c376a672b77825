"""What a shell completes: names of models and of their versions.

Responsible for finding them by names of files alone, as fast as one types: nothing heavy is loaded,
no bucket is asked, and what cannot be read completes to nothing. Not responsible for the shells'
scripts, which are typer's.
"""

import os
from contextlib import suppress

import typer

from tasks.core.definition_file import list_definitions
from tasks.core.errors import PerennialError
from tasks.core.names import is_model, is_version
from tasks.storage.store import is_bucket, open_store


def complete_models(incomplete: str) -> list[str]:
    """List the models that have a definition here, or a folder in the root."""
    names = {*list_definitions(), *_children("models")}
    return sorted(name for name in names if is_model(name) and name.startswith(incomplete))


def complete_versions(context: typer.Context, incomplete: str) -> list[str]:
    """List the versions of the model that was named before, the newest first."""
    model = str(context.params.get("model"))
    if not is_model(model):
        return []
    names = [name for name in _children(f"models/{model}") if name != "ledger"]
    fitting = [name for name in names if is_version(name) and name.startswith(incomplete)]
    return sorted(fitting, reverse=True)


def _children(path: str) -> list[str]:
    if is_bucket(os.environ.get("PERENNIAL_ROOT", "")):
        return []
    with suppress(PerennialError, OSError):
        return open_store().children(path)
    return []
