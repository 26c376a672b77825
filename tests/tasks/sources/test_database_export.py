"""An export serves until something is written to the server, and is then cleared away."""

import os
from collections.abc import Callable
from pathlib import Path

import polars as pl

from tasks.core.data_sections import Source
from tasks.sources import database_export
from tasks.sources.database_export import export_source


def test_export_serves_until_something_is_written(uri: str, run: Callable[[str], None]) -> None:
    run("DROP TABLE IF EXISTS t")
    run("CREATE TABLE t AS SELECT 1 AS x")
    source = Source.model_validate({"uri": uri, "table": "t"})
    first = export_source(source, "[sources] s")
    noted = os.stat(first[0]).st_mtime_ns
    assert export_source(source, "[sources] s") == first
    assert os.stat(first[0]).st_mtime_ns == noted
    run("INSERT INTO t VALUES (2)")
    second = export_source(source, "[sources] s")
    assert pl.read_parquet(second)["x"].to_list() == [1, 2]
    run("DELETE FROM t WHERE x = 2")
    assert export_source(source, "[sources] s") == first


def test_export_that_is_damaged_is_made_again_and_old_ones_are_cleared(tmp_path: Path) -> None:
    for name, text in (("damaged", "{"), ("old", '{"written": "then", "digest": "d"}')):
        (tmp_path / name).mkdir()
        (tmp_path / name / "state.json").write_text(text)
    assert database_export._find(tmp_path, "now") is None
    os.utime(tmp_path / "old", (0, 0))
    database_export._clear(tmp_path.iterdir())
    assert [each.name for each in tmp_path.iterdir()] == ["damaged"]
