"""Commands that keep a root in order: prune, and forget."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows import console
from flows.commands.options import AsJson, Model
from tasks.core.errors import DefinitionError
from tasks.storage.store import open_store, work_folder

if TYPE_CHECKING:
    from tasks.core.definition import Definition
    from tasks.maintenance.prune import Waste


def prune(
    keep: Annotated[
        int, typer.Option(help="How many of each model's newest versions stay in any case.", min=1)
    ] = 5,
    older_than: Annotated[
        str, typer.Option(help="What is younger stays: a run may need it. As in 36h, 2w.")
    ] = "1d",
    released: Annotated[
        bool,
        typer.Option("--released", help="Let earlier releases go that rolling back skips."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Remove it; else only say so.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what a root holds and nobody needs, and remove it with --yes."""
    with console.progress("looking at the root"):
        from tasks.core.durations import parse_duration
        from tasks.maintenance.prune import Rule, find_waste, remove_waste

        try:
            spared = parse_duration(older_than)
        except ValueError as error:
            raise DefinitionError(f"--older-than {older_than!r}: {error}") from error
        rule = Rule(versions=keep, released=not released, spared=spared)
        store = open_store()
        with work_folder(store):  # what killed runs left goes, too
            found = find_waste(store, rule, datetime.now(UTC))
        gone = list(remove_waste(store, found, rule)) if yes else found
    said = describe_waste(store.root, gone, yes) | {"left": len(found) - len(gone)}
    console.print_json(said) if as_json else print_waste(said)


def describe_waste(root: str, found: Iterable["Waste"], removed: bool) -> dict[str, Any]:
    """Add up what goes, by kind."""
    listed = list(found)
    count = Counter(each.kind for each in listed)
    kinds = {
        kind: {"count": count[kind], "bytes": sum(e.bytes for e in listed if e.kind == kind)}
        for kind in count
    }
    return {
        "root": root,
        "removed": removed,
        "bytes": sum(each.bytes for each in listed),
        "kinds": kinds,
        "items": [each.model_dump() for each in listed],
    }


def print_waste(said: dict[str, Any]) -> None:
    """Print a line for each thing, the sums by kind, and how to go on."""
    out = console.out
    if not said["items"]:
        return out.print(f"{said['root']}: nothing to remove", soft_wrap=True)
    for each in said["items"]:
        out.print(f"{each['kind']} {each['path']}: {each['why']}", soft_wrap=True)
    table = console.new_table("kind", "count", "bytes")
    for kind, sums in said["kinds"].items():
        table.add_row(kind, f"{sums['count']:,}", f"{sums['bytes']:,}")
    out.print(table)
    done = "freed" if said["removed"] else "would be freed; --yes removes it"
    out.print(f"{said['bytes']:,} bytes {done}")
    if said["left"]:
        out.print(f"{said['left']} stayed: they are in use, or were decided on meanwhile")


def forget(
    model: Model,
    key: Annotated[
        list[str],
        typer.Option(help="COLUMN=VALUE of [extract] key; several columns: give it again."),
    ],
    yes: Annotated[bool, typer.Option("--yes", help="Remove them; else only say so.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show where one person's rows lie, and remove them for good with --yes."""
    given = parse_key(key)
    with console.progress("looking for rows"):
        from tasks.maintenance.forget import find_traces, open_columns, remove_traces, settle_values

        definition, columns = open_columns(model, given)
        settled, store = settle_values(given, columns), open_store()
        with work_folder(store) as folder:
            traces = find_traces(store, definition.name, settled, folder)
            done = remove_traces(store, definition.name, traces, folder) if yes else None
    said = {
        "model": definition.name,
        "removed": yes,
        "record": done.number if done else None,
        **traces.model_dump(exclude={"key"}),
        "tables": list_holding(definition, given),
    }
    console.print_json(said) if as_json else print_traces(said)


def parse_key(words: Iterable[str]) -> dict[str, str]:
    """Read COLUMN=VALUE; DefinitionError for what is none, or names a column twice."""
    given: dict[str, str] = {}
    for word in words:
        column, there, value = word.partition("=")
        if not column or not there or column in given:
            raise DefinitionError(f"--key {word!r}: write COLUMN=VALUE, each column once")
        given[column] = value
    return given


def list_holding(definition: "Definition", given: Iterable[str]) -> list[str]:
    """Name the feature tables with a row for such a key: they are made anew from the sources."""
    tables = definition.tables.items()
    return [name for name, table in tables if {*table.entity} & {*given}]


def print_traces(said: dict[str, Any]) -> None:
    out, done = console.out, said["removed"]
    rows, logged = sum(said["snapshots"].values()), sum(said["log"].values())
    out.print(
        f"{rows:,} rows in {len(said['snapshots'])} snapshots, "
        f"{logged:,} in {len(said['log'])} files of the prediction log"
    )
    for what, names in (("learned from them", "versions"), ("cannot be told", "unknown")):
        for version in said[names]:
            out.print(f"{version}: {what}", soft_wrap=True)
    for table in said["tables"]:
        hint = f"take them out of its source, then: perennial materialise {said['model']}"
        out.print(f"[tables.{table}] may hold them: {hint}", soft_wrap=True)
    if not done:
        out.print("nothing was removed; --yes removes them, and keeps them out from then on")
        return
    out.print(f"removed, and kept out from now on (record {said['record']})", soft_wrap=True)
    if said["versions"]:
        out.print(f"to replace what learned from them: perennial retrain {said['model']}")
