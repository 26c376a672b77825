"""The step that prepares: rows in a file, counted by role."""

import logging
from pathlib import Path

import pytest
from tables import Project

from tasks.preparation.task import prepare


def test_rows_are_counted_by_their_role(
    made: Project, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "perennial")
    plan, snapshot = made.extract()
    prepared = prepare.fn(plan, snapshot, tmp_path)
    assert prepared.path.parent == tmp_path
    assert sum(prepared.rows.values()) == len(prepared.scan().collect()) == 400
    assert f"{prepared.rows['holdout']} holdout rows" in caplog.text
