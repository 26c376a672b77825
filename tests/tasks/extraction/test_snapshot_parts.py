"""Parts: a partition each where their times do not overlap, or one for all."""

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from tables import ROWS, START, Project

from tasks.extraction import partitions
from tasks.extraction.snapshot_parts import write_part, write_parts
from tasks.sources.query import open_table

FILES = 's = "s-*.parquet"'


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partitions, "_ROWS", 1)


def test_each_file_is_a_part_in_the_order_of_its_time(made: Project, tmp_path: Path) -> None:
    made.write({"s-2.parquet": ROWS.head(100), "s-1.parquet": ROWS.tail(300)})
    plan = made.plan(sources=FILES)
    (folder := tmp_path / "parts").mkdir()
    parts = write_parts(plan, open_table(plan.definition, plan.project), folder, {})
    assert [len(pl.read_parquet(part)) for part in parts] == [100, 300]
    assert pl.read_parquet(parts).equals(ROWS)


def test_files_whose_times_overlap_make_one_part(made: Project, tmp_path: Path) -> None:
    made.write({"s-1.parquet": ROWS[::2], "s-2.parquet": ROWS[1::2]})
    plan = made.plan(sources=FILES)
    (folder := tmp_path / "parts").mkdir()
    (part,) = write_parts(plan, open_table(plan.definition, plan.project), folder, {})
    assert pl.read_parquet(part).equals(ROWS)


def test_part_holds_the_window_alone(made: Project, tmp_path: Path) -> None:
    made.write(ROWS)
    plan = made.plan(as_of=START + timedelta(hours=9), extract='time = "t"\nwindow = "5h"')
    table = open_table(plan.definition, plan.project)
    assert pl.read_parquet(write_part(plan, table, tmp_path / "p"))["id"].to_list() == [
        *range(5, 10)
    ]
