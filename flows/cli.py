"""The command line `perennial`: its commands, and how every error ends it.

Exit codes: 0 done, 1 failed, 2 wrong usage or definition, 3 refused. With `--json` one object goes
to standard output and nothing else; progress and errors always go to standard error.
"""

import os
import sys
from importlib.metadata import version as installed_version
from typing import Annotated, Any, cast

import typer

from flows.commands import decisions, editors, flow_runs, local, registry, stack, upkeep
from flows.console import print_error, print_json
from flows.process import INTERRUPTED, Stopped, find_stop, told
from tasks.core.errors import DefinitionError, PerennialError, first_line, harmless

app = typer.Typer(
    name="perennial",
    help="Keep a tabular model alive: retrain it, judge it, release it, serve it.",
    no_args_is_help=True,
    rich_markup_mode=None,  # help and usage are plain text: what looks like markup in them is none
    pretty_exceptions_enable=False,
)
COMMANDS = (  # as `perennial --help` lists them
    *(stack.new, local.init, flow_runs.retrain),
    *(decisions.approve, decisions.reject, decisions.rollback, decisions.accept),
    *(local.serve, flow_runs.score, flow_runs.materialise, flow_runs.monitor, flow_runs.backtest),
    *(registry.status, registry.history, registry.show, registry.diff, local.ui),
    *(stack.up, stack.down, stack.ps, stack.deploy, stack.logs),
    *(flow_runs.drill, registry.reproduce, editors.schema),
    *(upkeep.prune, upkeep.forget, local.doctor),
)
for command in COMMANDS:
    app.command()(command)
# The base of every wrong use, for which typer has no public name.
_UsageError = cast(type[Exception], typer.BadParameter.__mro__[1])


def _tell_version(asked: bool) -> None:
    if asked:
        print(f"perennial {installed_version('perennial-ml')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", callback=_tell_version, is_eager=True),
    ] = False,
) -> None:
    """Take the options that stand before a command."""


def main() -> None:
    """Run the command line, and turn every refusal into one line and its exit code."""
    # Prefect's console would show a traceback for every refusal; its own page still has it.
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    try:
        _check_words(sys.argv[1:])
        sys.exit(app(standalone_mode=False))
    except (Exception, Stopped) as error:
        _end(error)


def _end(error: Exception | Stopped) -> None:
    """End with one line and the exit code of what went wrong."""
    if stopped := find_stop(error):
        told.set()
        _fail(INTERRUPTED, stopped.code)
    if isinstance(error, _UsageError):
        _refuse_usage(error)
    if isinstance(error, PerennialError):
        _fail(first_line(error), error.exit_code)
    if os.environ.get("PERENNIAL_DEBUG"):
        raise error
    hint = "set PERENNIAL_DEBUG=1 to see where"
    _fail(f"unexpected {type(error).__name__}: {first_line(error)} ({hint})", 1)


def _refuse_usage(error: Any) -> None:
    """Say in one line what is wrong with a command's words; where there are none, give the help."""
    said = error.format_message()
    if not sys.argv[1:]:
        print(said, file=sys.stderr)
        sys.exit(error.exit_code)
    command = error.ctx.command_path if error.ctx else app.info.name
    said = first_line(Exception(said)).rstrip(".?")
    _fail(f"{said[0].lower()}{said[1:]}; see `{command} --help`", error.exit_code)


def _check_words(words: list[str]) -> None:
    """Refuse what would not show as it is written, before it is kept or shown anywhere."""
    for word in words:
        if harmless(word) != word:
            said = f"{word[:80]!r} holds control characters, or is no UTF-8"
            raise DefinitionError(f"{said}; write it as plain text")


def _fail(message: str, code: int) -> None:
    if "--json" in sys.argv:
        print_json({"error": message, "exit": code})
    print_error(message)
    sys.exit(code)


if __name__ == "__main__":
    from flows.process import main as as_process

    as_process()
