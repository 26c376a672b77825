"""Commands that read the registry agree with what a run printed."""

import json
from collections.abc import Callable
from typing import Any

Run = Callable[..., tuple[int, str, str]]


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


def test_root_without_a_model_says_what_to_run(run: Run) -> None:
    code, out, _ = run("status")
    assert code == 0
    assert "no model yet; run `perennial retrain MODEL`" in " ".join(out.split())
    assert json.loads(run("status", "--json")[1])["models"] == {}


def test_diff_says_what_changed_and_what_that_changes(run_here: Run, released: Any) -> None:
    code, out, errors = run_here("diff", "flight-delay", "--json")
    assert (code, "Traceback" in errors) == (0, False)
    found = json.loads(out)
    assert (found["before"]["version"], found["after"]["version"]) == (
        released.older,
        released.newer,
    )
    assert found["answers"]["rows"] > 50
    code, out, _ = run_here("diff", "flight-delay", released.older, released.newer)
    text = " ".join(out.split())
    assert code == 0
    assert f"{found['answers']['decisions']['flipped']:,} of" in text
    code, out, _ = run_here("diff", "flight-delay", released.older, released.older)
    assert (code, "nothing changed" in out) == (0, True)
    assert run_here("diff", "flight-delay", "19")[0] == 2
