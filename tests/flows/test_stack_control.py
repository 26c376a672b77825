"""What is said where no system runs, or where one that runs does not answer."""

import fcntl
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from flows import stack_control
from flows.part_logs import find_logs
from flows.stack_control import bring_down, bring_up, find_stack, list_mishaps
from tasks.core.errors import DefinitionError, StartFailed
from tasks.processes.settings import settle_environment

if TYPE_CHECKING:
    from conftest import Released

pytestmark = pytest.mark.usefixtures("free_ports")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "deployments").mkdir()
    (tmp_path / "deployments" / "churn.toml").touch()
    return tmp_path


def test_nothing_that_runs_is_said_and_nothing_is_stopped(project: Path) -> None:
    with pytest.raises(StartFailed, match="nothing is running; start it with `perennial up`"):
        find_stack()
    assert not bring_down()
    with pytest.raises(StartFailed, match=r"there are no logs in .*run; start the system"):
        find_logs()


def test_folder_that_is_no_project_starts_nothing() -> None:
    with pytest.raises(DefinitionError, match=r"there is no definition in deployments/ here"):
        bring_up()
    assert not settle_environment().folder.exists()


def test_port_that_is_taken_is_named_with_its_variable(project: Path) -> None:
    port = int(os.environ["PERENNIAL_SERVE_PORT"])
    with socket.create_server(("127.0.0.1", port)):
        said = f"port {port} is taken by another program; give another PERENNIAL_SERVE_PORT"
        with pytest.raises(StartFailed, match=said):
            bring_up()


def test_system_that_does_not_start_is_told_by_its_log(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stack_control, "READY_SECONDS", 30)
    (project / ".perennial").mkdir()
    (project / ".perennial" / "prefect").touch()  # where Prefect's home is due
    with pytest.raises(StartFailed, match="the system did not start: "):
        bring_up()


def test_system_whose_parts_are_gone_is_not_well(
    released: "Released", monkeypatch: pytest.MonkeyPatch
) -> None:
    os.environ["PERENNIAL_ROOT"] = str(released.root)
    here = settle_environment().model_copy(update={"models": ("flight-delay",)})
    (released.project / "deployments" / "newer.toml").touch()
    here.folder.mkdir(parents=True)
    here.ready.write_text(here.model_dump_json())
    (here.folder / "worker.pid").write_text("4194305")  # no process has such a number
    with here.keeper.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        held.write(str(os.getpid()))
        held.flush()
        stack = find_stack()
        assert list_mishaps(stack) == []
    assert [part.well for part in stack.parts] == [False, False, False, False, True]
    assert stack.parts[4].detail.startswith("is new: served from the next")
    said = [part.detail for part in stack.parts]
    assert said[0].startswith("does not answer; it is started again")
    assert said[1].startswith("does not run")
    assert said[2].startswith("does not answer yet")
    assert said[3].endswith("does not answer yet, its log says why")
