"""Commands that read the registry agree with what a run printed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from judged import MODEL, NEW, OLD, put

from tasks.registry.ledger import append_entry
from tasks.storage.store import open_store

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


def test_damaged_ledger_of_one_model_hides_no_other(
    run_here: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERENNIAL_ROOT", str(tmp_path))
    store = open_store()
    sound, other = put(store, OLD), put(store, NEW, model="other")
    said: Any = {"version": NEW, "manifest": other.digest, "approver": "Ada", "reason": "bad"}
    append_entry(store, "other", action="reject", **said)
    (entry,) = (tmp_path / "models" / "other" / "ledger").iterdir()
    entry.write_text("{}")
    code, out, errors = run_here("status")
    assert (code, sound.version in out.replace("\n", "")) == (2, True)
    assert "other" in errors
    found = json.loads(run_here("status", "--json")[1])
    assert ([*found["models"]], [*found["problems"]]) == ([MODEL], ["other"])
