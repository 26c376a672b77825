"""Modules of a project that bear our names are named, and what would take them for ours."""

from pathlib import Path

from tasks.maintenance.project_folder import check_folder

REPOSITORY = Path(__file__).parents[3]


def test_projects_own_flows_and_tasks_are_named_and_nothing_is_wrong_with_them(
    tmp_path: Path,
) -> None:
    assert not list(check_folder(tmp_path))
    (tmp_path / "flows").mkdir()
    (tmp_path / "tasks.py").touch()
    (found,) = check_folder(tmp_path)
    assert found.well
    assert found.detail.startswith("flows, tasks.py here are the project's own")
    assert "use `perennial deploy`" in found.detail


def test_our_own_folder_is_no_clash() -> None:
    assert not list(check_folder(REPOSITORY))
