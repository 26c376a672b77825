"""The step that materialises says how many entities each table knows."""

import logging
from pathlib import Path

import pytest
from entities import define_table, make_events, make_rows
from tables import write_file

from tasks.feature_store.task import materialise_tables


def test_tables_are_published_under_the_root_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_file(make_rows([(("a",), 1)]), tmp_path / "s.parquet")
    write_file(make_events([(("a",), 1, 1), (("b",), 3, 1)]), tmp_path / "events.parquet")
    definition, root = define_table("", {"size": "x"}), tmp_path / "root"
    with caplog.at_level(logging.INFO, "perennial.tables"):
        listing = materialise_tables.fn(str(root), definition, tmp_path, None, tmp_path / "work")
    assert listing.tables["past"].entities == 2
    assert "made: entities: past 2" in caplog.text
    assert len(list((root / "tables" / "made").glob("*/*/tables.json"))) == 1
