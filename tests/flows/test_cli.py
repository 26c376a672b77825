"""The command line as a person meets it: what it prints, where, and how it exits."""

import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flows import cli
from flows.process import Stopped

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


def test_retrain_prints_one_object_that_says_it_all(made: dict[str, Any]) -> None:
    assert {
        "model",
        "version",
        "verdict",
        "checks",
        "metrics",
        "baseline",
        "champion",
        "rows",
    } <= set(made)
    assert set(made["metrics"]) == {"holdout", "train"}
    assert set(made["seconds"]) >= {"extraction", "training", "validation"}
    assert Path(made["report"]).is_file()


def test_retrain_shows_checks_and_metrics(run: Run, made: dict[str, Any]) -> None:
    code, out, _ = run("retrain", "flight-delay")
    assert code == 0
    assert "passed" in out
    assert "beats baseline" in out
    assert f"{made['metrics']['holdout']['auc']:.4f}" in out


def test_refused_candidate_is_kept_and_exits_with_3(
    run: Run, definition_file: Path, prefect_harness: None
) -> None:
    text = definition_file.read_text().replace("num_leaves = 7", "num_leaves = 2, max_bin = 2")
    definition_file.write_text(text + "rounds = 1\nearly_stopping = 0\n")
    code, out, _ = run("retrain", "flight-delay", "--json")
    refused = json.loads(out)
    assert code == 3
    assert refused["verdict"] == "refused"
    code, out, _ = run("retrain", "flight-delay")  # is there already
    assert code == 3
    assert "perennial approve" not in out
    assert "beats_simple_model" in {
        check["name"] for check in refused["checks"] if not check["passed"]
    }
    assert (
        json.loads(run("status", "flight-delay", "--json")[1])["models"]["flight-delay"]["waiting"]
        == []
    )


def test_status_history_and_show_agree(run: Run, made: dict[str, Any]) -> None:
    status = json.loads(run("status", "--json")[1])["models"]["flight-delay"]
    assert status == {
        "champion": None,
        "candidates": [made["version"]],
        "waiting": [made["version"]],
    }
    history = json.loads(run("history", "flight-delay", "--json")[1])
    assert [each["version"] for each in history["versions"]] == [made["version"]]
    assert json.loads(run("show", "flight-delay", made["version"][:8], "--json")[1]) == made


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


def test_init_writes_a_definition_that_retrains(run: Run, prefect_harness: None) -> None:
    planes = "data/nycflights13/planes.parquet"
    code, out, _ = run("init", planes, "--target", "engines", "--name", "engines", "--json")
    assert code == 0
    assert json.loads(out)["model"] == "engines"
    assert run("init", planes, "--target", "engines", "--name", "engines")[0] == 2
    assert run("retrain", "engines", "--json")[0] in (0, 3)


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
    def fail() -> None:
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
