"""The command line run in this process, on a project of a few flights."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flows import cli

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
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
def made(run: Run, prefect_harness: None) -> dict[str, Any]:
    code, out, _ = run("retrain", "flight-delay", "--json")
    assert code == 0
    result: dict[str, Any] = json.loads(out)
    return result
