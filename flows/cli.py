"""The command line: each command calls one flow or reads the registry.

Exit codes: 0 done, 1 failed, 2 wrong usage or definition, 3 refused. With `--json` one object goes
to standard output and nothing else; progress and errors always go to standard error.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.console import (
    out,
    print_backtest,
    print_drill,
    print_error,
    print_findings,
    print_history,
    print_json,
    print_materialised,
    print_models,
    print_monitored,
    print_release,
    print_reproduction,
    print_version,
    print_waiting,
    progress,
)
from flows.prefect_connection import check_server
from flows.process import INTERRUPTED, Stopped, take_time, told
from tasks.core.errors import DefinitionError, PerennialError, first_line, harmless

if TYPE_CHECKING:
    from tasks.registry.decisions import DecisionAction

app = typer.Typer(
    name="perennial",
    help="Keep a tabular model alive: retrain it, judge it, release it, serve it.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # help and usage are plain text: what looks like markup in them is none
    pretty_exceptions_enable=False,
)
Model = Annotated[str, typer.Argument(help="The model's name, or its definition file.")]
Version = Annotated[str, typer.Argument(help="A version, or the letters it begins with.")]
Approver = Annotated[str, typer.Option("--as", help="Who decides; noted as said.")]
Reason = Annotated[str, typer.Option(help="Why; kept in the ledger.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]


def main() -> None:
    """Run the command line, and turn every refusal into one line and its exit code."""
    # Prefect's console would show a traceback for every refusal; its own page still has it.
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    try:
        _check_words(sys.argv[1:])
        app()
    except PerennialError as error:
        _fail(first_line(error), error.exit_code)
    except Stopped as stopped:
        told.set()
        _fail(INTERRUPTED, stopped.code)
    except Exception as error:
        if os.environ.get("PERENNIAL_DEBUG"):
            raise
        hint = "set PERENNIAL_DEBUG=1 to see where"
        _fail(f"unexpected {type(error).__name__}: {first_line(error)} ({hint})", 1)


@app.command()
def init(
    data: Annotated[str, typer.Argument(help="Parquet, CSV or NDJSON: a path, glob or s3://.")],
    target: Annotated[str, typer.Option(help="The column to predict.")],
    time: Annotated[str | None, typer.Option(help="The column with the event time.")] = None,
    key: Annotated[list[str] | None, typer.Option(help="A column that identifies a row.")] = None,
    name: Annotated[str | None, typer.Option(help="What to call the model.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write a definition from data, ready to retrain and easy to edit."""
    from tasks.init.propose import draft_definition, find_place, settle_name, write_draft

    find_place(settle_name(name, data))  # before a long look at the data
    model, text, notes = draft_definition(
        data, target, time=time, key=tuple(key or ()), name=name, project=Path.cwd()
    )
    path = write_draft(model, text)
    if as_json:
        return print_json({"model": model, "definition": str(path), "notes": notes})
    told = "".join(f"note: {note}\n" for note in notes)
    out.print(
        f"wrote {path}\n{told}next: read it, then run: perennial retrain {model}",
        markup=False,
        soft_wrap=True,
    )


@app.command()
def retrain(
    model: Model,
    as_of: Annotated[
        str | None, typer.Option(help="Train on what was known then, as in 2013-10-01 (UTC).")
    ] = None,
    approve_as: Annotated[
        str | None, typer.Option(help="Who approves it, and releases it at once, if it passes.")
    ] = None,
    tune: Annotated[
        int, typer.Option(help="How many sets of parameters to try on the training window.")
    ] = 0,
    as_json: AsJson = False,
) -> None:
    """Train a candidate, judge it by its gate and put it into the registry."""
    moment = _parse_time(as_of)
    if approve_as is not None:
        from tasks.registry.signatures import take_own_key

        take_own_key(_name_of(model))
    with progress("looking at the sources"):
        from tasks.sources.preflight import check_columns, check_past

        check_past(moment, check_columns(model).extract.time is not None)
        from flows.retrain import find_done

        done = find_done(model, moment, approve_as, tune)
    if done is None:
        with running("retrain") as flows:
            done = flows.retrain(model, moment, approve_as, tune)
    if as_json:
        print_json(done)
    else:
        print_version(done)
        _tell_next(done)
    if done["verdict"] == "refused":
        raise typer.Exit(3)


@app.command()
def approve(
    model: Model,
    version: Version,
    approver: Approver,
    reason: Reason,
    override: Annotated[
        bool, typer.Option("--override", help="Release it although its gate refused it.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Approve a candidate: its bento is built and proven, then it is the champion."""
    _release(model, version, "approve", approver, reason, override, as_json=as_json)


@app.command()
def reject(
    model: Model, version: Version, approver: Approver, reason: Reason, as_json: AsJson = False
) -> None:
    """Reject a candidate for good."""
    _release(model, version, "reject", approver, reason, as_json=as_json)


@app.command()
def rollback(
    model: Model,
    approver: Approver,
    reason: Reason,
    to: Annotated[str, typer.Option(help="A version; left out: the champion before.")] = "",
    as_json: AsJson = False,
) -> None:
    """Make an earlier champion the champion again."""
    _release(model, to, "rollback", approver, reason, as_json=as_json)


@app.command()
def accept(model: Model, approver: Approver, reason: Reason, as_json: AsJson = False) -> None:
    """Accept a ledger as it stands: after a restore, or when signers are new."""
    from tasks.registry.signatures import take_own_key
    from tasks.registry.trusted_ledger import accept_ledger
    from tasks.storage.store import open_store

    name = _name_of(model)
    take_own_key(name)
    entry = accept_ledger(open_store(), name, approver, reason)
    if as_json:
        return print_json(entry.model_dump(mode="json"))
    said = f"{name}: {entry.number - 1} entries accepted by {entry.approver}"
    out.print(said, markup=False, soft_wrap=True)


@app.command()
def serve(
    model: Model,
    port: Annotated[
        int,
        typer.Option(
            help="The port to listen on.", min=1, max=65535, envvar="PERENNIAL_SERVE_PORT"
        ),
    ] = 3000,
    host: Annotated[str, typer.Option(help="The address to bind to.")] = "127.0.0.1",
) -> None:
    """Serve the champion, following releases and rollbacks, until interrupted."""
    from tasks.processes.bento_server import refuse_taken
    from tasks.sources.preflight import need_champion
    from tasks.storage.store import open_store, work_folder

    refuse_taken(host, port)
    store, name = open_store(), _name_of(model)
    need_champion(store, name, "to serve")
    from tasks.serving.bento_build import serve_champion

    take_time()  # for requests that are under way
    with work_folder(store) as folder, suppress(Stopped):
        raise typer.Exit(serve_champion(store, name, host, port, folder))


@app.command()
def score(
    model: Model,
    source: Annotated[str, typer.Option("--input", help="Parquet, CSV or NDJSON: path or s3://.")],
    target: Annotated[str, typer.Option("--output", help="Where to write: .parquet or .csv.")],
    log: Annotated[bool, typer.Option("--log", help="Keep what was asked and answered.")] = False,
    as_json: AsJson = False,
) -> None:
    """Let the champion predict a whole table."""
    from tasks.sources.preflight import check_target, need_champion
    from tasks.storage.store import open_store

    name = _name_of(model)
    check_target(target)
    need_champion(open_store(), name, "to score with")
    with running("score") as flows:
        done = flows.score(name, source, target, log)
    if as_json:
        print_json(done)
    else:
        said = f"{done['rows']:,} rows scored by {done['version']} in {done['seconds']:.1f} s"
        out.print(f"{said}\n{done['output']}", soft_wrap=True)


@app.command()
def materialise(
    model: Model,
    as_of: Annotated[
        str | None, typer.Option(help="What was known then, as in 2013-10-01 (UTC).")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make the champion's feature tables anew, for the service to look values up in."""
    from tasks.sources.preflight import find_tables

    moment = _parse_time(as_of)
    find_tables(model, moment)
    with running("materialise") as flows:
        done = flows.materialise(model, moment)
    print_json(done) if as_json else print_materialised(done)


@app.command()
def monitor(
    model: Model,
    as_of: Annotated[
        str | None, typer.Option(help="Look at what was known then, as in 2013-10-01 (UTC).")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Look at how the champion does on what it is asked, and tell what is worth telling."""
    from tasks.core.definition_file import find_definition, load_definition
    from tasks.sources.preflight import check_past

    moment = _parse_time(as_of)
    check_past(moment, load_definition(find_definition(model)).extract.time is not None)
    with running("monitor") as flows:
        done = flows.monitor(model, moment)
    print_json(done) if as_json else print_monitored(done)


@app.command()
def backtest(
    model: Model,
    start: Annotated[str, typer.Option("--from", help="Where the replay begins, as 2013-04-01.")],
    end: Annotated[str, typer.Option("--to", help="Where it ends.")],
    every: Annotated[str, typer.Option(help="How far calendar dates lie apart: 1mo, 2w.")] = "1mo",
    policies: Annotated[
        str, typer.Option(help="Which to compare, by commas.")
    ] = "never,schedule,drift,quality",
    as_json: AsJson = False,
) -> None:
    """Replay history under several policies of retraining, and compare what came of them."""
    first, last = _read_time(start, "--from"), _read_time(end, "--to")
    with progress("looking at the question"):
        from tasks.sources.preflight import check_columns, check_past

        check_past(last, check_columns(model).extract.time is not None, "--to")
        from flows.backtest import settle_question

        settle_question(model, first, last, every, policies)
    with running("backtest") as flows:
        done = flows.backtest(model, first, last, every, policies)
    print_json(done) if as_json else print_backtest(done)


@app.command()
def status(
    model: Annotated[str | None, typer.Argument(help="One model only.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show each model's champion, its candidates and what waits for a decision."""
    from tasks.registry.overview import describe_model
    from tasks.registry.versions import list_models
    from tasks.storage.store import open_store

    store = open_store()
    names = [_name_of(model)] if model else list_models(store)
    models = {name: describe_model(store, name) for name in names}
    if as_json:
        return print_json({"root": store.root, "models": models})
    print_models(store.root, models)


@app.command()
def history(model: Model, as_json: AsJson = False) -> None:
    """Show a model's versions and every decision on them, and verify the ledger's chain."""
    from tasks.registry.overview import describe_history
    from tasks.serving.bento_archive import describe_proofs
    from tasks.storage.store import open_store

    store, name = open_store(), _name_of(model)
    found = describe_history(store, name)
    proofs = describe_proofs(store, name)
    if as_json:
        numbers = {version: proof.model_dump() for version, proof in proofs.items()}
        return print_json(found | {"proofs": numbers})
    print_history(found, {version: proof.summary for version, proof in proofs.items()})


@app.command()
def show(
    model: Model,
    version: Version,
    sbom: Annotated[
        bool, typer.Option("--sbom", help="Print what its bento is made of, as CycloneDX's JSON.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show one version: verdict, checks, metrics and where its report is."""
    from tasks.registry.overview import describe_version
    from tasks.registry.versions import get_version
    from tasks.storage.store import open_store

    store, name = open_store(), _name_of(model)
    published = get_version(store, name, version)
    if sbom:
        from tasks.serving.bento_archive import read_bill

        return print(harmless(read_bill(store, name, published.version)))
    found = describe_version(store, published)
    print_json(found) if as_json else print_version(found)


@app.command()
def drill(model: Model, as_json: AsJson = False) -> None:
    """Inject faults into copies of a model's data and files, and show what catches each."""
    from tasks.sources.preflight import check_model
    from tasks.storage.store import open_store

    name = _name_of(model)
    check_model(open_store(), name)
    with running("drill") as flows:
        done = flows.drill(name)
    print_json(done) if as_json else print_drill(done)
    raise typer.Exit(0 if done["passed"] else 1)


@app.command()
def reproduce(model: Model, version: Version, as_json: AsJson = False) -> None:
    """Make a version again from its lineage alone, and compare it byte by byte."""
    from tasks.registry.versions import get_version
    from tasks.storage.store import open_store, work_folder

    store = open_store()
    published = get_version(store, _name_of(model), version)
    with progress("making it again"), work_folder(store) as folder:
        from tasks.maintenance.reproduce import reproduce_version

        found = reproduce_version(store, published, folder, Path.cwd())
    made = {**found.model_dump(), "reproduced": found.reproduced}
    print_json(made) if as_json else print_reproduction(made)
    raise typer.Exit(0 if found.reproduced else 1)


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Look at the installation, the root, the disk, the clock and the server; say what to mend."""
    with progress("looking"):
        from tasks.maintenance.doctor import diagnose

        findings = diagnose()
    said = [each.model_dump() for each in findings]
    print_json({"findings": said}) if as_json else print_findings(said)
    if not all(each.well for each in findings):
        raise typer.Exit(1)


@contextmanager
def running(flow: str) -> Iterator[Any]:
    """Give a flow's module, loaded while the server starts that records its runs."""
    with progress("starting Prefect (the first time takes longest)"):
        from flows.temporary_server import start_server

        check_server()
        wait = start_server()
        module = import_module(f"flows.{flow}")
        wait()
        yield module


def _check_words(words: list[str]) -> None:
    """Refuse what would not show as it is written, before it is kept or shown anywhere."""
    for word in words:
        if harmless(word) != word:
            said = f"{word[:80]!r} holds control characters, or is no UTF-8"
            raise DefinitionError(f"{said}; write it as plain text")


def _tell_next(made: dict[str, Any]) -> None:
    """Say what became of a candidate, or what waits and the command that approves it."""
    from tasks.registry.overview import describe_model
    from tasks.storage.store import open_store

    model, version = made["model"], made["version"]
    if "release" in made:
        print_release(made["release"])
    elif version in describe_model(open_store(), model)["waiting"]:
        print_waiting(model, version)


def _release(
    model: str,
    version: str,
    action: "DecisionAction",
    approver: str,
    reason: str,
    override: bool = False,
    *,
    as_json: bool,
) -> None:
    """Run the release flow on a decision whose form is right."""
    from tasks.registry.decisions import Decision, refuse_beforehand
    from tasks.registry.signatures import take_own_key
    from tasks.storage.store import open_store

    decision = Decision(
        model=_name_of(model),
        version=version,
        action=action,
        approver=approver,
        reason=reason,
        override=override,
    )
    take_own_key(decision.model)
    refuse_beforehand(open_store(), decision)
    with running("release") as flows:
        done = flows.release(decision.model, version, action, approver, reason, override)
    print_json(done) if as_json else print_release(done)


def _name_of(model: str) -> str:
    from tasks.core.definition_file import load_definition

    return load_definition(Path(model)).name if model.endswith(".toml") else model


def _parse_time(text: str | None) -> datetime | None:
    return None if text is None else _read_time(text, "--as-of")


def _read_time(text: str, option: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        hint = "write 2013-10-01 or 2013-10-01T06:00"
        raise DefinitionError(f"{option} {text!r} is no time; {hint}") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _fail(message: str, code: int) -> None:
    if "--json" in sys.argv:
        print_json({"error": message, "exit": code})
    print_error(message)
    sys.exit(code)


if __name__ == "__main__":
    from flows.process import main as as_process

    as_process()
