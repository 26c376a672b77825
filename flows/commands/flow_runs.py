"""Commands that run a flow: retrain, score, materialise, monitor, backtest, and drill.

What is wrong from the beginning is refused before Prefect is loaded. Not responsible for what a
flow does.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any

import typer

from flows import console, python_api
from flows.commands.options import AsJson, AsOf, Model, name_of, time_option
from tasks.storage.store import open_store

STARTING = "starting (Prefect's first time takes longest)"


@contextmanager
def running(flow: str) -> Iterator[Any]:
    """Give a flow's module, and show its progress."""
    with console.progress(STARTING), python_api.running(flow) as module:
        yield module


def retrain(
    model: Model,
    as_of: AsOf = None,
    approve_as: Annotated[
        str | None, typer.Option(help="Who approves it, and releases it at once, if it passes.")
    ] = None,
    tune: Annotated[
        int, typer.Option(help="How many sets of parameters to try on the training window.")
    ] = 0,
    as_json: AsJson = False,
) -> None:
    """Train a candidate, judge it by its gate and publish it in the registry."""
    with console.progress(STARTING):
        done = python_api.retrain(model, as_of, approve_as, tune)
    if as_json:
        console.print_json(done)
    else:
        console.print_version(done)
        _tell_next(done)
    if done["verdict"] == "refused":
        raise typer.Exit(3)


def _tell_next(made: dict[str, Any]) -> None:
    """Print how a candidate was released, or the command that approves it if it waits."""
    from tasks.registry.overview import describe_model

    model, version = made["model"], made["version"]
    if "release" in made:
        console.print_release(made["release"])
    elif version in describe_model(open_store(), model)["waiting"]:
        console.print_waiting(model, version)


def score(
    model: Model,
    source: Annotated[str, typer.Option("--input", help="Parquet, CSV or NDJSON: path or s3://.")],
    target: Annotated[str, typer.Option("--output", help="Where to write: .parquet or .csv.")],
    log: Annotated[bool, typer.Option("--log", help="Keep what was asked and answered.")] = False,
    explain: Annotated[
        int | None,
        typer.Option(metavar="K", help="Write the K contributions that count most, too."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Let the champion predict a whole table."""
    with console.progress(STARTING):
        done = python_api.score(model, source, target, log, explain)
    if as_json:
        console.print_json(done)
    else:
        said = f"{done['rows']:,} rows scored by {done['version']} in {done['seconds']:.1f} s"
        console.out.print(f"{said}\n{done['output']}", soft_wrap=True)


def materialise(model: Model, as_of: AsOf = None, as_json: AsJson = False) -> None:
    """Compute the champion's feature tables anew, for the service to look values up in."""
    from tasks.sources.preflight import find_tables

    find_tables(model, as_of)
    with running("materialise") as flows:
        done = flows.materialise(model, as_of)
    console.print_json(done) if as_json else console.print_materialised(done)


def monitor(model: Model, as_of: AsOf = None, as_json: AsJson = False) -> None:
    """Measure how the champion does on the requests it gets, and send alerts where it needs one."""
    from tasks.core.definition_file import find_definition, load_definition
    from tasks.sources.preflight import check_past

    check_past(as_of, load_definition(find_definition(model)).extract.time is not None)
    with running("monitor") as flows:
        done = flows.monitor(model, as_of)
    console.print_json(done) if as_json else console.print_monitored(done)


def backtest(
    model: Model,
    start: Annotated[datetime, time_option("--from", "Where the replay begins, as 2013-04-01.")],
    end: Annotated[datetime, time_option("--to", "Where it ends.")],
    every: Annotated[str, typer.Option(help="How far calendar dates lie apart: 1mo, 2w.")] = "1mo",
    policies: Annotated[
        str, typer.Option(help="Which to compare, by commas.")
    ] = "never,schedule,drift,quality",
    retrain_cost: Annotated[
        float, typer.Option(help="What a retrain costs, in the unit of [serving] cost.")
    ] = 0.0,
    as_json: AsJson = False,
) -> None:
    """Replay history under several retraining policies, and compare their results."""
    with console.progress("looking at the sources"):
        from tasks.sources.preflight import check_columns, check_past

        check_past(end, check_columns(model).extract.time is not None, "--to")
        from flows.backtest import settle_question

        settle_question(model, start, end, every, policies, retrain_cost)
    with running("backtest") as flows:
        done = flows.backtest(model, start, end, every, policies, retrain_cost)
    console.print_json(done) if as_json else console.print_backtest(done)


def drill(model: Model, as_json: AsJson = False) -> None:
    """Inject faults into copies of a model's data and files, and show what catches each."""
    from tasks.sources.preflight import check_model

    name = name_of(model)
    check_model(open_store(), name)
    with running("drill") as flows:
        done = flows.drill(name)
    console.print_json(done) if as_json else console.print_drill(done)
    raise typer.Exit(0 if done["passed"] else 1)
