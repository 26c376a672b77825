"""The reference of the command line: every command, argument and option, read off typer."""

from typing import Any

import typer

from flows.cli import app

_HEAD = """# The command line

Every command, argument and option of `perennial`, as the program itself knows them.

| exit code | means |
|---|---|
| 0 | done |
| 1 | failed |
| 2 | wrong usage or definition |
| 3 | refused: the contract is broken, the gate not passed, or the version not approved |
| 129, 130, 143 | ended by SIGHUP, Ctrl-C or SIGTERM |

With `--json` one object goes to standard output and nothing else; progress and errors always go to
standard error.
"""
_KINDS = {"int": "NUMBER", "float": "NUMBER", "Path": "PATH"}


def find_commands() -> dict[str, Any]:
    """Give each command by its name, as click's own object."""
    found: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    return {name: command for name, command in found.items() if not command.hidden}


def describe_commands() -> str:
    """Write the page: usage, words and options of each command."""
    return "\n".join([_HEAD, *(describe(name, each) for name, each in find_commands().items())])


def describe(name: str, command: Any) -> str:
    """Write one command's part of the page."""
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    options = [each for each in command.params if each.param_type_name == "option"]
    words = [
        *("perennial", name),
        *(_bracketed(each.name.upper(), each.required) for each in arguments),
        *(f"{each.opts[0]} {_value(each)}" for each in options if each.required),
        *(["[OPTIONS]"] if any(not each.required for each in options) else []),
    ]
    rows = [_row(each) for each in (*arguments, *options)]
    said = " ".join((command.help or "").split())
    table = "| | takes | default | |\n|---|---|---|---|\n" + "\n".join(rows)
    return f"## `{name}`\n\n{said}\n\n```text\n{' '.join(words)}\n```\n\n{table}\n"


def _row(param: Any) -> str:
    is_argument = param.param_type_name == "argument"
    names = [param.name.upper()] if is_argument else [*param.opts, *param.secondary_opts]
    said = " ".join((param.help or "").split())
    if param.envvar:
        said += f" Also `{param.envvar}`."
    takes = "" if getattr(param, "is_flag", False) else _value(param)
    default = "" if param.required else _default(param)
    cells = (", ".join(f"`{each}`" for each in names), takes, default, said)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _value(param: Any) -> str:
    kind = getattr(param.type_descriptor.annotation, "__name__", "")
    return str(param.metavar or _KINDS.get(kind, "TEXT")).strip("<>").upper()


def _default(param: Any) -> str:
    if (
        getattr(param, "is_flag", False)
        or param.default in (None, "", ())
        or callable(param.default)
    ):
        return ""
    return f"`{param.default}`"


def _bracketed(name: str, required: bool) -> str:
    return name if required else f"[{name}]"
