"""The command line as a person meets it: what it prints, where, and how it exits."""

import json
import signal
import sys
from collections.abc import Callable
from typing import Any

import pytest

from flows import cli
from flows.process import Stopped

Run = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["retrain", "flight-dely"], 2, "did you mean 'flight-delay'?"),
        (["retrain", "nowhere.toml"], 2, "nowhere.toml: there is no such definition file"),
        (["retrain", "flight-delay", "--as-of", "soon"], 2, "--as-of 'soon' is no time"),
        (["retrain", "flight-delay", "--as-of", "2012-01-01"], 3, "no row up to as-of 2012-01-01"),
        (["show", "flight-delay", "2013"], 2, "version '2013' does not exist"),
        (["history", "nothing"], 2, "has no version yet"),
    ],
)
def test_refusal_is_one_line_with_its_exit_code(
    run: Run, prefect_harness: None, words: list[str], code: int, said: str
) -> None:
    exit_code, out, errors = run(*words)
    assert exit_code == code, errors
    assert said in errors.replace("\n", " ")
    assert "Traceback" not in out + errors


def test_error_as_json_is_one_object(run: Run) -> None:
    code, out, _ = run("retrain", "flight-dely", "--json")
    assert code == 2
    assert set(json.loads(out)) == {"error", "exit"}


def test_people_are_shown_what_is_there_and_the_next_step(
    run: Run, made: dict[str, Any], prefect_harness: None
) -> None:
    code, out, _ = run("status")
    assert code == 0
    assert made["version"] in out.replace("\n", "")
    code, out, _ = run("reproduce", "flight-delay", made["version"])
    assert code == 0
    assert "everything is as it was then" in out
    found = json.loads(run("reproduce", "flight-delay", made["version"], "--json")[1])
    assert found["reproduced"] is True
    planes = "data/nycflights13/planes.parquet"
    code, out, _ = run("init", planes, "--target", "engines", "--name", "engines")
    assert "run: perennial retrain engines" in out
    assert run("retrain", "flight-delay", "--approve-as", " ")[0] == 2


@pytest.mark.parametrize("failure", [Stopped(signal.SIGINT), ValueError("odd\nmore")])
def test_what_nobody_expected_is_one_line(
    run: Run, monkeypatch: pytest.MonkeyPatch, failure: BaseException
) -> None:
    def fail(standalone_mode: bool) -> None:
        raise failure

    monkeypatch.setattr(cli, "app", fail)
    code, _, errors = run("status")
    if isinstance(failure, Stopped):
        assert (code, "interrupted; nothing is left half done" in errors) == (130, True)
        return
    assert code == 1
    assert "unexpected ValueError: odd (set PERENNIAL_DEBUG=1 to see where)" in " ".join(
        errors.split()
    )
    monkeypatch.setenv("PERENNIAL_DEBUG", "1")
    monkeypatch.setattr(sys, "argv", ["perennial", "status"])
    with pytest.raises(ValueError, match="odd"):
        cli.main()
