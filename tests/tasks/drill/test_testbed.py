"""What a drill spoils copies of."""

from pathlib import Path

from tables import Project

from tasks.drill.testbed import Drilled, make_folder, open_events
from tasks.extraction.snapshot import open_snapshot


def test_parts_become_a_snapshot_of_the_plan(made: Project, tmp_path: Path) -> None:
    plan, snapshot = made.extract()
    found = open_snapshot(plan, snapshot.parts)
    assert (found.digest, found.rows, found.newest) == (plan.snapshot, 400, plan.as_of)
    assert found.scan().collect().equals(snapshot.scan().collect())
    assert make_folder(tmp_path, "sound").is_dir()


def test_sources_that_are_gone_are_not_opened(made: Project) -> None:
    plan, snapshot = made.extract()
    assert open_events(plan, snapshot) is not None
    (made.folder / "s.parquet").unlink()
    assert open_events(plan, snapshot) is None


def test_fault_without_a_guard_is_not_caught() -> None:
    assert not Drilled(fault="null flood", guard="", detail="").caught
