"""What the system says when it cannot start, is not there, or is asked wrongly: one line each."""

import fcntl
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings
from system import REPOSITORY, find_ports, wait_for

from flows import local_stack, local_stack_parts
from tasks.core.errors import DefinitionError, StartFailed
from tasks.processes.settings import settle_environment
from tasks.processes.supervisor import find_supervisor

if TYPE_CHECKING:
    from conftest import Released

NOBODY = "http://127.0.0.1:9/api"


@pytest.fixture(autouse=True)
def ports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Work in a folder with nothing in it; variables are put back, for some commands set them."""
    before = dict(os.environ)
    first = find_ports(2)
    monkeypatch.chdir(tmp_path)
    os.environ |= {"PERENNIAL_UI_PORT": str(first), "PERENNIAL_SERVE_PORT": str(first + 1)}
    os.environ |= {"PREFECT_API_URL": NOBODY}
    os.environ.pop("PERENNIAL_ROOT", None)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "prefect.yaml").write_bytes((REPOSITORY / "prefect.yaml").read_bytes())
    (tmp_path / "deployments").mkdir()
    definition = (REPOSITORY / "deployments" / "flight_delay.toml").read_bytes()
    (tmp_path / "deployments" / "flight_delay.toml").write_bytes(definition)
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["operate", *words])
    with pytest.raises(SystemExit) as stopped:
        local_stack.main()
    return int(stopped.value.code or 0)


def test_wrong_words_are_wrong_usage_and_a_refusal_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "down", "now") == 2
    assert "down: too many positional arguments" in capsys.readouterr().err
    assert run(monkeypatch, "status") == 1
    assert capsys.readouterr().err == "perennial: nothing is running; start it with `make up`\n"

    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setitem(local_stack.COMMANDS, "down", interrupt)
    assert run(monkeypatch, "down") == 130


def test_folder_that_is_no_project_is_named(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match=r"there is no definition in deployments/ here"):
        local_stack.up()
    with pytest.raises(DefinitionError, match=r"there is no prefect.yaml here"):
        local_stack_parts.register()
    (tmp_path / "deployments").mkdir()
    (tmp_path / "deployments" / "a.toml").touch()
    with pytest.raises(DefinitionError, match=r"there is no prefect.yaml here"):
        local_stack.up()
    (tmp_path / ".perennial" / "run").mkdir(parents=True)
    with pytest.raises(StartFailed, match=r"cannot be registered: there is no prefect.yaml here"):
        local_stack_parts.register_apart(settle_environment())


def test_port_that_is_taken_is_named_with_its_variable(project: Path) -> None:
    port = int(os.environ["PERENNIAL_SERVE_PORT"])
    with socket.create_server(("127.0.0.1", port)):
        said = f"port {port} is taken by another program; give another PERENNIAL_SERVE_PORT"
        with pytest.raises(StartFailed, match=said):
            local_stack.up()


def test_server_that_never_answers_is_told_by_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_stack_parts, "READY_SECONDS", 0.1)
    here = settle_environment()
    with pytest.raises(StartFailed, match="Prefect's server: it said nothing"):
        local_stack_parts.wait_for_server(here, Event())


def test_server_without_a_pool_to_register_in_is_told(project: Path) -> None:
    with pytest.raises(StartFailed, match=r"`prefect work-pool create local .*` failed"):
        local_stack_parts.register()


def test_keeper_that_is_stopped_at_once_starts_nothing_more(project: Path) -> None:
    here = settle_environment()
    keeper = subprocess.Popen([sys.executable, "-m", "flows.local_stack", "keep"])
    wait_for(lambda: find_supervisor(here.keeper) == keeper.pid)
    wait_for(lambda: (here.folder / "server.log").exists())
    keeper.send_signal(signal.SIGTERM)
    assert keeper.wait(60) == 0
    assert not (here.folder / "worker.log").exists()


def test_status_of_a_system_that_does_not_answer_says_so(
    released: "Released",
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    (released.project / "prefect.yaml").touch()
    os.environ["PERENNIAL_ROOT"] = str(released.root)
    monkeypatch.setattr(local_stack, "_SERVICE_SECONDS", 0.1)
    here = settle_environment()
    here.folder.mkdir(parents=True)
    here.ready.write_text(here.model_dump_json())
    with here.keeper.open("w") as held, temporary_settings({PREFECT_API_URL: NOBODY}):
        fcntl.flock(held, fcntl.LOCK_EX)
        held.write(str(os.getpid()))
        held.flush()
        with pytest.raises(StartFailed, match="Prefect's server does not answer: "):
            local_stack.status()
        local_stack_parts.put_back_runs()
    assert "does not answer yet, its log says why" in capsys.readouterr().out
    assert "runs that were going on cannot be put back" in caplog.text
