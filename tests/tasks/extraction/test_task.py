"""The step that extracts: what the root holds is not extracted again."""

import logging
from pathlib import Path

import pytest
from tables import ROWS, Project

from tasks.extraction.task import extract
from tasks.registry.snapshots import snapshot_path
from tasks.registry.versions import publish_once
from tasks.storage.store import open_store


def test_snapshot_that_the_root_holds_is_reused(
    made: Project, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "perennial")
    made.write(ROWS)
    plan = made.plan()
    first = extract.fn(plan, tmp_path / "one")
    assert first.scan().collect().equals(ROWS)
    publish_once(open_store(), first.parts[0].parent, snapshot_path(plan.snapshot))
    again = extract.fn(plan, tmp_path / "two")
    assert (again.digest, again.rows) == (first.digest, 400)
    assert [each.getMessage() for each in caplog.records if "rows" in each.getMessage()] == [
        "400 rows extracted", "400 rows reused",
    ]  # fmt: skip
