"""The tutorial as a stranger follows it: each block of shell, in order, in an empty folder.

Its first block makes an environment and installs the package by its name: pip finds the wheel that
`make package` built, and what that depends on as it is locked. Everything else is run as it stands
there, but for the ports, which may be taken on this machine.
"""

import re
import sys
from collections.abc import Callable, Iterator
from functools import partial
from itertools import groupby
from pathlib import Path

from tools.asuser.answers import compare_answer
from tools.asuser.machine import Machine, ask
from tools.docs.examples import read_blocks

REPOSITORY = Path(__file__).parents[2]
PAGE = REPOSITORY / "docs" / "tutorial.md"
SERVE = "perennial serve "


def prepare_machine(folder: Path) -> Machine:
    """Give a machine with Python and a shell in which the tutorial's environment is active."""
    place = folder / "customers"
    place.mkdir(parents=True)
    constraints = folder / "constraints.txt"
    constraints.write_text(drop_hashes((REPOSITORY / "requirements.lock").read_text()))
    programs = (place / ".venv/bin", Path(sys.base_prefix) / "bin", "/usr/local/bin:/usr/bin:/bin")
    variables = {
        "PATH": ":".join(map(str, programs)),
        "PIP_FIND_LINKS": str(REPOSITORY / "dist"),
        "PIP_CONSTRAINT": str(constraints),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    return Machine(folder, place, place / ".venv/bin", more=variables)


def drop_hashes(lock: str) -> str:
    """Make a lock's versions constraints: with hashes, pip would want one of the wheel, too."""
    return re.sub(r" *\\\n +--hash=\S+", "", lock)


def list_steps(machine: Machine) -> Iterator[tuple[str, Callable[[], object]]]:
    """Give each block with what runs it; a server and what it is asked are one step."""
    blocks = read_blocks(PAGE)
    for is_served, group in groupby(blocks, lambda block: block.startswith((SERVE, "curl "))):
        if is_served:
            serve, *requests = group
            yield _first_line(serve), partial(_serve, machine, serve.strip(), requests)
        else:
            yield from ((_first_line(block), partial(_run, machine, block)) for block in group)


def _serve(machine: Machine, line: str, requests: list[str]) -> None:
    with machine.serving(line):
        for request in requests:
            compare_answer(machine, request, PAGE)


def _run(machine: Machine, block: str) -> None:
    machine.run(f"set -e\n{block}")
    if block.startswith("perennial up"):
        machine.wait_until_ready()
        ask(machine.ui_port, "/api/health")


def _first_line(block: str) -> str:
    return f"tutorial: {block.partition(chr(10))[0]}"
