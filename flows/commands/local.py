"""Commands that run in this process without a flow: init, serve, and doctor."""

from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from flows import console
from flows.commands.options import AsJson, Model, name_of
from flows.process import Stopped, take_time
from tasks.processes.settings import PAGE_PORT
from tasks.storage.store import open_store, work_folder


def init(
    data: Annotated[str, typer.Argument(help="Parquet, CSV or NDJSON: a path, glob or s3://.")],
    target: Annotated[str, typer.Option(help="The column to predict.")],
    time: Annotated[str | None, typer.Option(help="The column with the event time.")] = None,
    key: Annotated[list[str] | None, typer.Option(help="A column that identifies a row.")] = None,
    name: Annotated[str | None, typer.Option(help="What to call the model.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write a definition from data, ready to retrain and easy to edit."""
    from tasks.core.definition import parse_definition
    from tasks.init.names import settle_name
    from tasks.init.propose import draft_definition, find_place, write_draft

    find_place(settle_name(name, data))  # before a long look at the data
    from flows.prefect_file import FILE, plan_file, write_file

    plan_file({})  # which refuses a file that is broken
    model, text, notes = draft_definition(
        data, target, time=time, key=tuple(key or ()), name=name, project=Path.cwd()
    )
    change = plan_file({model: parse_definition(text, model)})
    path = write_draft(model, text)
    try:
        write_file(change)
    except BaseException:
        path.unlink()  # both or none
        raise
    if as_json:
        found = {"model": model, "definition": str(path), "notes": notes}
        return console.print_json(found | {"deployments": list(change.changes)})
    told = "".join(f"note: {note}\n" for note in notes)
    wrote = f"wrote {path}, and its deployments to {FILE}\n"
    said = f"{wrote}{told}next: read it, then run: perennial retrain {model}"
    console.out.print(said, soft_wrap=True)


def serve(
    model: Model,
    port: Annotated[
        int,
        typer.Option(
            help="The port to listen on.", min=1, max=65535, envvar="PERENNIAL_SERVE_PORT"
        ),
    ] = 3000,
    host: Annotated[str, typer.Option(help="The address to bind to.")] = "127.0.0.1",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one line of JSON when it is ready.")
    ] = False,
) -> None:
    """Serve the champion, following releases and rollbacks, until interrupted."""
    from tasks.processes.bento_server import refuse_taken
    from tasks.sources.preflight import need_champion

    refuse_taken(host, port)
    store, name = open_store(), name_of(model)
    need_champion(store, name, "to serve")
    from tasks.serving.champion_server import serve_champion

    take_time()  # for requests that are under way
    with work_folder(store) as folder, suppress(Stopped):
        tell = console.print_json_line if as_json else None
        raise typer.Exit(serve_champion(store, name, host, port, folder, tell))


def ui(
    port: Annotated[
        int,
        typer.Option(help="The port to listen on.", min=1, max=65535, envvar="PERENNIAL_PAGE_PORT"),
    ] = PAGE_PORT,
    host: Annotated[str, typer.Option(help="The address to bind to.")] = "127.0.0.1",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one line of JSON when it is ready.")
    ] = False,
) -> None:
    """Show one page over all models, and decide on it, until interrupted."""
    from flows.ui.server import serve as serve_page

    def tell(said: dict[str, str]) -> None:
        if as_json:
            return console.print_json_line(said)
        word = said["password"] or "the variable PREFECT_SERVER_API_AUTH_STRING"
        text = f"{said['url']}  asks for name and password, which are in {word}"
        console.out.print(text, soft_wrap=True)

    take_time()  # for requests that are under way
    with suppress(Stopped):
        serve_page(open_store(), host, port, tell)


def doctor(
    notify: Annotated[
        bool, typer.Option("--notify", help="Send a test message to all who are told, too.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check the installation, the root, disk, clock, ports and server; say how to repair them."""
    with console.progress("checking"):
        from tasks.maintenance.address_checks import try_addresses
        from tasks.maintenance.doctor import diagnose

        findings = [*diagnose(), *(try_addresses() if notify else ())]
    said = [each.model_dump() for each in findings]
    console.print_json({"findings": said}) if as_json else console.print_findings(said)
    if not all(each.well for each in findings):
        raise typer.Exit(1)
