import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tasks.ledger import append_entry
from tasks.store import open_store

REPOSITORY = Path(__file__).parents[2]


def diagnose(root: str, **environment: str) -> tuple[int, dict[str, Any]]:
    """Run the command in a process of its own; give its exit code and findings by name."""
    done = subprocess.run(
        [sys.executable, "-m", "flows.cli", "doctor", "--json"],
        cwd=REPOSITORY,
        env=os.environ | {"PERENNIAL_ROOT": root} | environment,
        capture_output=True,
        text=True,
    )
    findings = json.loads(done.stdout)["findings"]
    return done.returncode, {each["name"]: each for each in findings}


def record(model: str) -> None:
    append_entry(
        open_store(), model, action="reject", version="v1", manifest="f00d", approver="Ada",
        reason="not good",
    )  # fmt: skip


def test_sound_installation_is_well_all_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERENNIAL_ROOT", str(tmp_path / "root"))
    record("m")
    code, found = diagnose(str(tmp_path / "root"))
    assert code == 0
    assert {"python", "packages", "telemetry", "root", "clock", "disk", "server"} <= set(found)
    assert "1 decisions in a whole chain" in found["model m"]["detail"]


def test_broken_chain_and_dead_server_are_found_with_their_mend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERENNIAL_ROOT", str(tmp_path / "root"))
    record("m")
    entry = tmp_path / "root" / "models" / "m" / "ledger" / "000001.json"
    entry.write_text(entry.read_text().replace("Ada", "Eve"))
    torn = tmp_path / "root" / "models" / "n" / "v1" / "MANIFEST.json"
    torn.parent.mkdir(parents=True)
    torn.write_text("{")
    code, found = diagnose(str(tmp_path / "root"), PREFECT_API_URL="http://127.0.0.1:9/api")
    assert code == 1
    assert "was changed after it was recorded" in found["model m"]["detail"]
    assert "MANIFEST.json: is damaged" in found["model n"]["detail"]
    assert "does not answer" in found["server"]["detail"]
    assert found["server"]["mend"]


def test_root_that_is_a_file_is_found(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, found = diagnose(str(tmp_path / "file"))
    assert code == 1
    assert not found["root"]["well"]
