"""Perennial as a new user meets it: the README's own lines and the tutorial's, on an empty machine.

A script (`make asuser`). The wheel is installed from its lock alone, and every `perennial` line of
the README is run with it in a folder that has a `tasks.py` and a `flows/` of its own. Every `make`
line is run in a fresh clone, and every block of the tutorial in an empty folder. A line that fails
is printed with what it said, and fails the whole. `make test` is the one line that is not run here:
`.ci/run` has run it before.
"""

import csv
import json
import signal
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import polars as pl

from tools.asuser import tutorial
from tools.asuser.answers import compare_answer
from tools.asuser.machine import Machine, Wrong, ask
from tools.asuser.readme import read_commands
from tools.asuser.sales import write_sales

REPOSITORY = Path(__file__).parents[2]
README = REPOSITORY / "README.md"
# What is refused here, by one line and this exit code: an extra is missing, or there is none to do.
REFUSED = {
    "perennial retrain sales --tune 30": (2, "pip install perennial-ml[tune]"),
    "perennial materialise sales": (2, "has no [tables] to materialise"),
}
RUN_BY_CI = "make test"
_SOMETHING = {"String": "x", "Boolean": True, "Date": "2013-06-01"}
_ASKED = 50


def main() -> None:
    # What is run in the background ignores Ctrl-C, and so would all that it starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    commands = read_commands(README)
    known = ("make", "perennial", "curl")
    strangers = [each for each in commands if not any(_is(each, program) for program in known)]
    missing = ({*REFUSED, RUN_BY_CI}) - set(commands)
    if strangers or missing:
        sys.exit(f"README.md: nobody runs {strangers}; not found in it: {sorted(missing)}")
    with tempfile.TemporaryDirectory(prefix="asuser-") as folder, ProcessPoolExecutor(2) as both:
        parts = (
            both.submit(use_clone, Path(folder) / "clone", commands),
            both.submit(use_wheel, Path(folder) / "wheel", commands),
            both.submit(follow_tutorial, Path(folder) / "tutorial"),
        )
        wrong = [each for part in parts for each in part.result()]
    sys.exit("\n  ".join(["these failed, for the reason said above:", *wrong]) if wrong else 0)


def use_wheel(folder: Path, commands: list[str]) -> list[str]:
    """Run each `perennial` line in a project of the user's own; give what went wrong."""
    project, programs = folder / "Verkäufe 2026", folder / "environment/bin"
    (project / "flows").mkdir(parents=True)
    for own in ("tasks.py", "flows/__init__.py"):
        (project / own).write_text(f"raise RuntimeError('{own} of the project was imported')\n")
    write_sales(project / "sales.csv")
    venv.create(folder / "environment", with_pip=True)
    machine = Machine(folder, project, programs)
    (wheel,) = (REPOSITORY / "dist").glob("*.whl")
    pip = f"{programs}/python -m pip install --quiet --disable-pip-version-check --no-deps"
    lock = REPOSITORY / "requirements.lock"
    install = f"{pip} --require-hashes -r '{lock}' && {pip} '{wheel}'"
    lines = [each for each in commands if _is(each, "perennial")]
    (request,) = [each for each in commands if _is(each, "curl")]
    steps = [
        (f"pip install {wheel.name}", partial(machine.run, install)),
        *((line, partial(use_perennial, machine, line, request)) for line in lines),
        ("what is in the bento", partial(check, machine)),
    ]
    return list(carry_out(machine, steps))


def use_clone(folder: Path, commands: list[str]) -> list[str]:
    """Run each `make` line in a clone of what is committed; give what went wrong."""
    clone = folder / "clone"
    quietly = ("git", "-c", "advice.detachedHead=false", "clone", "--quiet")
    subprocess.run([*quietly, str(REPOSITORY), str(clone)], check=True)
    machine = Machine(folder, clone, Path(sys.base_prefix) / "bin")
    lines = [each for each in commands if _is(each, "make") and each != RUN_BY_CI]
    steps = [(line, partial(use_make, machine, line)) for line in lines]
    return list(carry_out(machine, steps))


def follow_tutorial(folder: Path) -> list[str]:
    """Run each block of the tutorial in a folder with nothing in it; give what went wrong."""
    machine = tutorial.prepare_machine(folder)
    return list(carry_out(machine, list(tutorial.list_steps(machine))))


def carry_out(machine: Machine, steps: Sequence[tuple[str, Callable[[], object]]]) -> Iterator[str]:
    """Carry out each step, whatever became of those before it; nothing may run on at the end."""
    try:
        for name, step in steps:
            begun = time.monotonic()
            try:
                step()
                said = "as said"
            except (Wrong, OSError) as error:
                said = f"FAILED  {error}\n"
                yield name
            print(f"{time.monotonic() - begun:6.1f} s  {name:70}  {said}", flush=True)
    finally:
        left = machine.switch_off()
    yield from (f"still runs at the end: {each}" for each in left)


def use_perennial(machine: Machine, line: str, request: str) -> None:
    """Run one line of the README, and look at what it left; what is served is sent its request."""
    if line.startswith("perennial serve "):
        with machine.serving(line):
            compare_answer(machine, request, README)
            served = ask(machine.port, "/predict", read_rows(machine.place / "sales.csv"))
        (machine.folder / "served.json").write_text(json.dumps(served["predictions"]))
    elif line in REFUSED:
        code, why = REFUSED[line]
        said = machine.run(line, code).strip().splitlines()
        if len(said) != 1 or not said[0].startswith("perennial: ") or why not in said[0]:
            raise Wrong(f"{line}\nis not refused in one line that says {why!r}\n{said}")
    else:
        machine.run(line)
    if line == "perennial up":
        use_system(machine)
    if line.startswith("perennial score "):
        compare_scored(machine)


def use_system(machine: Machine) -> None:
    """Ask a system that is up, and let its worker carry out a run beside the project's modules."""
    machine.wait_until_ready()
    ask(machine.port, "/predict", read_rows(machine.place / "sales.csv"))
    print(f"{machine.age():6.1f} s  from pip install to a system that answers", flush=True)
    known = f"PREFECT_API_URL=http://127.0.0.1:{machine.ui_port}/api "
    known += 'PREFECT_API_AUTH_STRING="$(cat .perennial/run/password)" '
    machine.run(f"{known} prefect deployment run monitor/sales --watch")


def read_rows(table: Path) -> list[dict[str, object]]:
    """Read rows as a client would send them: all columns but what is to be predicted."""
    with table.open(encoding="utf-8") as file:
        rows = [row for row, _ in zip(csv.DictReader(file), range(_ASKED), strict=False)]
    numbers = {"price": float, "visits": int, "support_calls": int}
    return [
        {name: numbers.get(name, str)(value) for name, value in row.items() if name != "churned"}
        for row in rows
    ]


def compare_scored(machine: Machine) -> None:
    """Hold what `score` wrote against what was answered over HTTP: the same, to the last bit."""
    scored = pl.read_parquet(machine.place / "scored.parquet")
    served = json.loads((machine.folder / "served.json").read_text())
    if scored["prediction"].head(_ASKED).to_list() != served:
        raise Wrong("scored.parquet: other predictions than those that were served")


def check(machine: Machine) -> None:
    """Look at the bento's bill: each package is pinned, and known by the hashes of its files."""
    bill = json.loads(machine.run("perennial show sales 2026 --sbom"))
    unknown = [part["name"] for part in bill["components"] if not part.get("hashes")]
    if unknown or len(bill["components"]) < 50:
        raise Wrong(f"perennial show sales 2026 --sbom\nno hashes of {unknown}")


def use_make(machine: Machine, line: str) -> None:
    """Run one `make` line; what it starts is asked over HTTP."""
    if line == "make serve":
        with machine.serving(line):
            ask_anything(machine)
        return
    machine.run(line)
    if line == "make up":
        machine.wait_until_ready()
        ask_anything(machine)
        ask(machine.ui_port, "/api/health")


def ask_anything(machine: Machine) -> None:
    """Ask for a prediction, of whatever row the service says that it takes."""
    columns = ask(machine.port, "/model")["columns"]
    row = {each["name"]: make_up(each["type"]) for each in columns}
    (probability,) = ask(machine.port, "/predict", [row])["predictions"]
    if not 0 < probability < 1:
        raise Wrong(f"/predict answers {row} with {probability}")


def make_up(dtype: str) -> object:
    """Make up a value of a column's type, as the service names it."""
    if dtype.startswith("Datetime("):
        return "2013-06-01T12:00:00" + ("" if "time_zone=None" in dtype else "Z")
    return _SOMETHING.get(dtype, 1)


def _is(line: str, program: str) -> bool:
    return line.startswith(f"{program} ")


if __name__ == "__main__":
    main()
