"""Commands that run a flow: what retrain prints, and how it exits."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flows.commands.flow_runs import running
from tasks.core.errors import StartFailed

Run = Callable[..., tuple[int, str, str]]


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


def test_flow_is_not_loaded_where_no_server_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    with pytest.raises(StartFailed, match="no server answers there"), running("nothing"):
        raise AssertionError("unreachable")
