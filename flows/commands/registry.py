"""Commands that read the registry: status, history, show, and reproduce.

They change nothing. They need no Prefect, and load heavy libraries only to reproduce a version.
"""

from pathlib import Path
from typing import Annotated

import typer

from flows import console, python_api, registry_pages
from flows.commands.completion import complete_models
from flows.commands.options import AsJson, Model, Version, name_of
from tasks.core.errors import harmless
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
        return console.print_json(found)
    registry_pages.print_models(found["root"], found["models"])


def history(model: Model, as_json: AsJson = False) -> None:
    """Show a model's versions and every decision on them, and verify the ledger's chain."""
    from tasks.registry.overview import describe_history
    from tasks.serving.bento_archive import describe_proofs

    store, name = open_store(), name_of(model)
    found = describe_history(store, name)
    proofs = describe_proofs(store, name)
    if as_json:
        numbers = {version: proof.model_dump() for version, proof in proofs.items()}
        return console.print_json(found | {"proofs": numbers})
    registry_pages.print_history(
        found, {version: proof.summary for version, proof in proofs.items()}
    )


def show(
    model: Model,
    version: Version,
    sbom: Annotated[
        bool, typer.Option("--sbom", help="Print what its bento is made of, as CycloneDX's JSON.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show one version: verdict, checks, metrics and the path of its report."""
    from tasks.registry.overview import describe_version
    from tasks.registry.versions import get_version

    store, name = open_store(), name_of(model)
    published = get_version(store, name, version)
    if sbom:
        from tasks.serving.bento_archive import read_bill

        return print(harmless(read_bill(store, name, published.version)))
    found = describe_version(store, published)
    console.print_json(found) if as_json else console.print_version(found)


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
