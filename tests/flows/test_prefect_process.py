"""Prefect's programs load our flows, whatever the folder that they work in has of these names."""

import subprocess
import sys
from importlib.machinery import PathFinder
from pathlib import Path

import pytest

from flows import prefect_process
from flows.prefect_process import InstalledFirst, prefect_command

# What Prefect does to start a run, as a program that the standard library has.
LOADED = """
from prefect.flows import load_flow_from_entrypoint as load
import mine
print(load('flows.retrain:retrain').name, mine.name)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Make a folder with modules of the names of ours, and of some that we need."""
    (tmp_path / "flows").mkdir()
    for own in ("tasks.py", "flows/__init__.py", "calendar.py", "polars.py"):
        (tmp_path / own).write_text("raise RuntimeError('the folder has its own')")
    (tmp_path / "mine.py").write_text("name = 'and the project’s own'")
    return tmp_path


def test_run_loads_our_flows_beside_a_projects_own_modules(project: Path) -> None:
    words = ("-n1", "-r1", "import sys, os; sys.path.insert(0, os.getcwd())" + LOADED)
    run = subprocess.run(
        prefect_command("timeit", *words), cwd=project, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("retrain and the project’s own")


def test_program_is_run_with_its_own_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    monkeypatch.setattr(sys, "argv", ["prefect_process", "calendar", "2026", "11"])
    prefect_process.main()
    assert "November 2026" in capsys.readouterr().out
    assert isinstance(sys.meta_path[0], InstalledFirst)


def test_what_is_not_installed_is_left_to_others(tmp_path: Path) -> None:
    (tmp_path / "only_a_folder").mkdir()
    (tmp_path / "code.py").touch()
    finder = InstalledFirst([str(tmp_path)])
    assert finder.find_spec("code", None) == PathFinder.find_spec("code", [str(tmp_path)])
    assert finder.find_spec("code", ["/of/a/package"]) is None
    assert finder.find_spec("only_a_folder", None) is None
