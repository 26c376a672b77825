"""The doctor finds what is not well, and says how it is mended."""

import json
import os
import re
import socket
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tasks.maintenance import doctor
from tasks.maintenance.doctor import (
    check_disk,
    check_libraries,
    check_models,
    check_packages,
    check_ports,
    check_root,
    check_server,
)
from tasks.registry import ledger
from tasks.registry.ledger import append_entry
from tasks.storage.store import open_store

REPOSITORY = Path(__file__).parents[3]


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


def test_ports_are_those_that_are_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("PERENNIAL_SERVE_PORT", str(port))
        monkeypatch.setenv("PERENNIAL_UI_PORT", "4711")
        found = [each.detail for each in check_ports()]
    assert found == [
        f"{port} (the service) is in use",
        "4711 (Prefect's server) is free",
        "4811 (the page) is free",
    ]
    monkeypatch.setenv("PERENNIAL_UI_PORT", "http")
    (finding,) = check_ports()
    assert (finding.well, finding.name) == (False, "ports")


def test_root_that_is_a_file_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PERENNIAL_ROOT", str(tmp_path / "file"))
    (finding,) = check_root()
    assert (finding.name, finding.well) == ("root", False)
    assert list(check_disk()) == []


@pytest.mark.parametrize(
    ("lock", "said"),
    [
        ("no-such-package==1.0\n", "no-such-package is missing"),
        ("polars==0.1\n", "polars is .*, locked ==0.1"),
        ("polars==0.1 ; python_version < '3'\n", "1 packages are as locked"),
    ],
)
def test_packages_are_held_against_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lock: str, said: str
) -> None:
    monkeypatch.setattr(doctor, "LOCK", tmp_path / "lock")
    (tmp_path / "lock").write_text(lock)
    (finding,) = check_packages()
    assert re.fullmatch(said, finding.detail)
    assert finding.well == ("lock" in said and "==0" not in said)


def test_library_that_does_not_load_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_NATIVE", {"no_such_library": "install it"})
    (finding,) = check_libraries()
    assert (finding.well, finding.mend) == (False, "install it")


def test_decision_from_the_future_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERENNIAL_ROOT", str(tmp_path / "root"))

    class Ahead(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime(2999, 1, 1, tzinfo=UTC)

    monkeypatch.setattr(ledger, "datetime", Ahead)
    record("m")
    (finding,) = check_models(open_store())
    assert not finding.well
    assert finding.detail.endswith("; entry 1 is from the future")


def test_server_without_a_pool_or_a_worker_is_found(prefect_harness: None) -> None:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import WorkPoolCreate

    with get_client(sync_client=True) as client:
        if any(pool.name == "local" for pool in client.read_work_pools()):  # of another test
            client.delete_work_pool("local")
        (finding,) = check_server()
        assert (finding.well, finding.mend) == (False, "perennial up")
        client.create_work_pool(WorkPoolCreate(name="local", type="process"))
        server, worker = check_server()
        client.delete_work_pool("local")
    assert server.well
    assert (worker.well, worker.detail) == (False, "0 of pool 'local' are online")
