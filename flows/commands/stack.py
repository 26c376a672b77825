"""Commands that run a project as a system of this machine: new, deploy, up, down, ps and logs."""

from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Annotated

import typer

from flows import console, stack_pages
from flows.commands.options import AsJson
from flows.process import Stopped, take_time


def new(
    folder: Annotated[Path, typer.Argument(help="The project's folder; . for this one.")],
    as_json: AsJson = False,
) -> None:
    """Make a project: prefect.yaml, a folder for definitions, README and a CI workflow."""
    from flows.new_project import write_project

    made = write_project(folder).model_dump(mode="json")
    console.print_json(made) if as_json else stack_pages.print_project(made)


def deploy(
    model: Annotated[str | None, typer.Argument(help="One model only.")] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit 1 if prefect.yaml would change.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Bring prefect.yaml and Prefect's server into agreement with the definitions."""
    from flows.project_deployments import check_project, deploy_project

    if check:
        found = check_project(model)
        console.print_json(found) if as_json else stack_pages.print_checked(found)
        raise typer.Exit(1 if found["changes"] else 0)
    with console.progress("registering what changed"):
        done = deploy_project(model)
    console.print_json(done) if as_json else stack_pages.print_deployed(done)


def up(
    systemd: Annotated[
        bool, typer.Option("--systemd", help="Write a systemd unit, and say how to enable it.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Start Prefect's server, a worker, all deployments, the page and each model's service."""
    from flows.project_deployments import agree, check_project

    if systemd:
        check_project()  # which refuses what could not be started
        return _write_unit(as_json)
    from flows.prefect_file import FILE
    from flows.stack_control import bring_up

    with console.progress("starting Prefect's server, a worker and the services"):
        changes = list(agree())
        stack = bring_up()
    told = stack.describe() | {"changes": changes}
    if as_json:
        return console.print_json(told)
    stack_pages.print_changes({"file": FILE, "changes": changes})
    stack_pages.print_stack(told)
    if stack.is_new and stack.environment.password.exists():
        stack_pages.print_password(stack.environment.password)


def _write_unit(as_json: bool) -> None:
    from flows.systemd_unit import write_unit

    unit = write_unit(Path.cwd())
    if as_json:
        return console.print_json(unit.model_dump(mode="json"))
    said = f"wrote {unit.path}\nnext: {unit.enable}\npasswords and tokens: {unit.secrets}"
    console.out.print(said, soft_wrap=True)


def down(as_json: AsJson = False) -> None:
    """Stop what `up` started, and nothing else; runs that are cut off start again later."""
    from flows.stack_control import bring_down

    with console.progress("stopping"):
        stopped = bring_down()
    if as_json:
        return console.print_json({"stopped": stopped})
    console.out.print("stopped" if stopped else "nothing was running")


def ps(as_json: AsJson = False) -> None:
    """Show what runs, on which port and how it is, and what went wrong in the last day."""
    from flows.stack_control import find_stack, list_mishaps

    with console.progress("looking"):
        stack = find_stack()
        mishaps = list_mishaps(stack)
    found = stack.describe() | {"mishaps": mishaps}
    if as_json:
        console.print_json(found)
    else:
        stack_pages.print_stack(found)
        if mishaps:
            stack_pages.print_mishaps(mishaps)
    raise typer.Exit(0 if all(part.well for part in stack.parts) else 1)


def logs(
    part: Annotated[str | None, typer.Argument(help="server, worker, ui, or a model.")] = None,
    lines: Annotated[int, typer.Option(help="How many of the last lines of each.", min=0)] = 20,
    follow: Annotated[
        bool, typer.Option("--follow/--no-follow", help="Go on until interrupted.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Show the logs of the system's parts, and follow them; with --json only the last lines."""
    from flows.part_logs import find_logs, follow_logs, read_logs

    with ExitStack() as opened:
        logs = find_logs(part).items()
        files = {name: opened.enter_context(path.open("rb")) for name, path in logs}
        said = read_logs(files, lines)
        if as_json:
            return console.print_json({"logs": said})
        for name, last in said.items():
            for line in last:
                stack_pages.print_log(name, line)
        if follow:
            take_time()  # whoever interrupts has seen enough: that is no failure
            with suppress(Stopped):
                for name, line in follow_logs(files):
                    stack_pages.print_log(name, line)
