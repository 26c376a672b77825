"""What the system says when it cannot start, is not there, or is asked wrongly: one line each."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from threading import Event

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings
from system import REPOSITORY, wait_for

from flows import local_stack_parts
from tasks.core.errors import DefinitionError, StartFailed
from tasks.processes.settings import settle_environment
from tasks.processes.supervisor import find_supervisor

NOBODY = "http://127.0.0.1:9/api"


@pytest.fixture(autouse=True)
def no_server(free_ports: None) -> None:
    """Let nobody be where Prefect's server is looked for."""
    os.environ |= {"PREFECT_API_URL": NOBODY}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "prefect.yaml").write_bytes((REPOSITORY / "prefect.yaml").read_bytes())
    (tmp_path / "deployments").mkdir()
    definition = (REPOSITORY / "deployments" / "flight_delay.toml").read_bytes()
    (tmp_path / "deployments" / "flight_delay.toml").write_bytes(definition)
    return tmp_path


def test_folder_that_is_no_project_is_named(tmp_path: Path) -> None:
    said = r"there is no definition in deployments/ here; go to the project's folder, or write one"
    for command in (local_stack_parts.register, local_stack_parts.keep_all):
        with pytest.raises(DefinitionError, match=said):
            command()
    (tmp_path / ".perennial" / "run").mkdir(parents=True)
    with pytest.raises(StartFailed, match="cannot be registered: there is no definition"):
        local_stack_parts.register_apart(settle_environment())


def test_service_of_a_model_that_is_not_there_names_the_nearest(project: Path) -> None:
    with pytest.raises(DefinitionError, match="did you mean 'flight-delay'"):
        local_stack_parts.service("flight-dela")


def test_server_that_never_answers_is_told_by_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_stack_parts, "READY_SECONDS", 0.1)
    here = settle_environment()
    with pytest.raises(StartFailed, match="Prefect's server: it said nothing"):
        local_stack_parts.wait_for_server(here, Event())


def test_server_that_does_not_answer_has_nothing_registered(project: Path) -> None:
    with pytest.raises(StartFailed, match="no server answers there"):
        local_stack_parts.register()


def test_keeper_that_is_stopped_at_once_starts_nothing_more(project: Path) -> None:
    here = settle_environment()
    keeper = subprocess.Popen([sys.executable, "-m", "flows.local_stack", "keep"])
    wait_for(lambda: find_supervisor(here.keeper) == keeper.pid)
    wait_for(lambda: (here.folder / "server.log").exists())
    keeper.send_signal(signal.SIGTERM)
    assert keeper.wait(60) == 0
    assert not (here.folder / "worker.log").exists()


def test_runs_that_cannot_be_put_back_are_told(caplog: pytest.LogCaptureFixture) -> None:
    with temporary_settings({PREFECT_API_URL: NOBODY}):
        local_stack_parts.put_back_runs()
    assert "runs that were going on cannot be put back" in caplog.text
