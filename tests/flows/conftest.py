"""The command line run in this process, on a project of a few flights."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from system import find_ports

from flows import cli

Run = Callable[..., tuple[int, str, str]]
EAGER = """
[monitoring]
rows = 100
false_alarms = 20
new_rows = 0.02
"""


@pytest.fixture
def free_ports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Work in a folder with nothing in it; variables are put back, for some commands set them."""
    before = dict(os.environ)
    first = find_ports(3)
    monkeypatch.chdir(tmp_path)
    os.environ |= {"PERENNIAL_UI_PORT": str(first), "PERENNIAL_SERVE_PORT": str(first + 1)}
    os.environ["PERENNIAL_PAGE_PORT"] = str(first + 2)
    os.environ.pop("PERENNIAL_ROOT", None)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def run_here(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Run one command in this process, and give its exit code and both outputs."""

    def run_command(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["perennial", *words])
        capfd.readouterr()
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        printed = capfd.readouterr()
        return int(stopped.value.code or 0), printed.out, printed.err

    return run_command


@pytest.fixture
def run(project: Path, run_here: Run) -> Run:
    """Run commands on the project of a few flights."""
    return run_here


@pytest.fixture
def made(run: Run, prefect_harness: None) -> dict[str, Any]:
    code, out, _ = run("retrain", "flight-delay", "--json")
    assert code == 0
    result: dict[str, Any] = json.loads(out)
    return result


@pytest.fixture
def eager(definition_file: Path, prefect_harness: None) -> None:
    """Let the policies look at the few flights that there are."""
    definition_file.write_text(definition_file.read_text() + EAGER)
