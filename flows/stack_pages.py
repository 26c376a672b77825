"""Print what `perennial new`, `deploy`, `up`, `ps` and `logs` tell a person.

Not responsible for what runs, which is found out before.
"""

import shlex
from pathlib import Path
from typing import Any

from flows.console import new_table, out
from tasks.core.errors import harmless
from tasks.processes.settings import tell_password


def print_project(made: dict[str, Any]) -> None:
    """Print which files were written, and what comes next."""
    out.print(f"wrote {', '.join(made['written']) or 'nothing'}", soft_wrap=True)
    if made["kept"]:
        out.print(f"kept as they are: {', '.join(made['kept'])}", soft_wrap=True)
    here = Path(made["folder"]).resolve() == Path.cwd()
    go = "" if here else f"cd {shlex.quote(made['folder'])} && "
    out.print(f"next: {go}perennial init DATA --target COLUMN", soft_wrap=True)


def print_changes(found: dict[str, Any]) -> None:
    """Print what changes in prefect.yaml."""
    for change in found["changes"]:
        out.print(f"{found['file']}: {change}", soft_wrap=True)


def print_deployed(done: dict[str, Any]) -> None:
    """Print what was registered with the server, and what was left alone."""
    print_changes(done)
    for name in done["changed"]:
        out.print(f"registered {name}", soft_wrap=True)
    out.print(f"{len(done['same'])} deployments were as they must be")
    for name in done["strays"]:
        said = f"on the server, and no longer in {done['file']}: prefect deployment delete '{name}'"
        out.print(said, soft_wrap=True)


def print_checked(found: dict[str, Any]) -> None:
    """Print what would change in prefect.yaml, and the command that changes it."""
    print_changes(found)
    agreed = f"{found['file']} agrees with the definitions"
    out.print("run: perennial deploy" if found["changes"] else agreed, soft_wrap=True)


def print_stack(found: dict[str, Any]) -> None:
    """Print where a system runs, each of its parts, and how a shell reaches it."""
    table = new_table("part", "pid", "address", "state")
    for part in found["parts"]:
        pid, mark = str(part["pid"] or "–"), "" if part["well"] else "✗ "
        table.add_row(part["name"], pid, part["url"], mark + part["detail"])
    out.print(f"runs on {found['root']}, logs in {found['logs']}", soft_wrap=True)
    out.print(table)
    word = tell_password(Path(found["password"])) if found["password"] else ""
    shell = f"export PREFECT_API_URL={found['api']} {word}"
    out.print(f"for `prefect` and `perennial` in this shell: {shell}", soft_wrap=True)


def print_password(kept: Path) -> None:
    """Tell once what the UI asks for."""
    out.print(f"the UI asks for this, now and in {kept}: {kept.read_text()}", soft_wrap=True)


def print_mishaps(mishaps: list[str]) -> None:
    """Print what went wrong, one line each."""
    out.print("\n".join(["went wrong in the last day:", *mishaps]), soft_wrap=True)


def print_log(name: str, line: str) -> None:
    """Print one line of a part's log."""
    print(f"{name}  {harmless(line)}", flush=True)
