"""Commands that read the registry: status, history, show, diff, and reproduce.

They change nothing. They need no Prefect, and load heavy libraries only to compare versions, or to
reproduce one.
"""

from pathlib import Path
from typing import Annotated

import typer

from flows import comparison_pages, console, python_api, registry_pages
from flows.commands.completion import complete_models, complete_versions
from flows.commands.options import AsJson, Model, Version, name_of
from tasks.core.errors import StoreError, harmless
from tasks.storage.store import open_store, work_folder


def status(
    model: Annotated[
        str | None, typer.Argument(help="One model only.", autocompletion=complete_models)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show each model's champion, its candidates and what waits for a decision."""
    found = python_api.status(model)
    if as_json:
        console.print_json(found)
    else:
        registry_pages.print_models(found["root"], found["models"], found["problems"])
    if found["problems"]:
        raise typer.Exit(StoreError.exit_code)


def history(model: Model, as_json: AsJson = False) -> None:
    """Show a model's versions and every decision on them, and verify the ledger's chain."""
    found = python_api.history(model)
    if as_json:
        return console.print_json(found)
    from tasks.serving.acceptance_test import Proof

    proofs = {version: Proof(**each).summary for version, each in found["proofs"].items()}
    registry_pages.print_history(found, proofs)


def show(
    model: Model,
    version: Version,
    sbom: Annotated[
        bool, typer.Option("--sbom", help="Print what its bento is made of, as CycloneDX's JSON.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show one version: verdict, checks, metrics and the path of its report."""
    if sbom:
        from tasks.registry.versions import get_version
        from tasks.serving.bento_archive import read_bill

        store, name = open_store(), name_of(model)
        return print(harmless(read_bill(store, name, get_version(store, name, version).version)))
    found = python_api.show(model, version)
    console.print_json(found) if as_json else console.print_version(found)


def diff(
    model: Model,
    before: Annotated[
        str | None,
        typer.Argument(
            help="The version before. Left out: the champion.", autocompletion=complete_versions
        ),
    ] = None,
    after: Annotated[
        str | None,
        typer.Argument(
            help="The version after. Left out: the newest that waits for a decision, or else the "
            "champion, which is then set against the one before it.",
            autocompletion=complete_versions,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what changed between two versions, and which decisions that changes."""
    with console.progress("comparing"):
        found = python_api.diff(model, before, after)
    console.print_json(found) if as_json else comparison_pages.print_comparison(found)


def reproduce(model: Model, version: Version, as_json: AsJson = False) -> None:
    """Train a version again from its lineage alone, and compare its files byte by byte."""
    from tasks.registry.versions import get_version

    store = open_store()
    published = get_version(store, name_of(model), version)
    with console.progress("making it again"), work_folder(store) as folder:
        from tasks.maintenance.reproduce import reproduce_version

        found = reproduce_version(store, published, folder, Path.cwd())
    made = {**found.model_dump(), "reproduced": found.reproduced}
    console.print_json(made) if as_json else console.print_reproduction(made)
    raise typer.Exit(0 if found.reproduced else 1)
