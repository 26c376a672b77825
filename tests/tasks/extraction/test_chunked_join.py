"""Looked up a chunk after the other, rows get what they get when all are looked up at once."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pytest
from entities import EVENTS, ROWS, define_table, make_events, make_rows
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from tables import Project, define, write_file

from tasks.extraction import chunked_join, partitions
from tasks.extraction.chunked_join import look_up_chunks
from tasks.extraction.snapshot import extract_snapshot
from tasks.sources.query import open_table

LIVED = ('time = "at"\nknown_after = "2h"\nover = "9h"', {"mean": "AVG(x * 0.1)", "n": "COUNT(*)"})
LATEST = ('time = "at"\nknown_after = "2h"', {"last": "x"})
IS = ("", {"size": "x"})


@given(EVENTS, ROWS, st.integers(1, 7), st.sampled_from([LIVED, LATEST, IS]))
@settings(max_examples=40)
def test_chunks_carry_on_to_the_same_last_bit(
    drawn: Any, asked: Any, size: int, kind: tuple[str, dict[str, str]]
) -> None:
    definition, rows = define_table(*kind), make_rows(asked).sort("t", nulls_last=True)
    with TemporaryDirectory() as name:
        folder = Path(name)
        write_file(rows, folder / "s.parquet")
        write_file(make_events(drawn), folder / "events.parquet")
        table = open_table(definition, folder)
        whole = table.rows.sort("id").collect()
        chunks = look_up_chunks(definition, table, [folder / "s.parquet"], folder / "work", size)
        found = pl.concat([each.collect() for each in chunks]).sort("id")
    assert_frame_equal(found, whole, check_exact=True)


@pytest.mark.parametrize("entity", ['["k"]', "[]"])
def test_partitions_and_chunks_make_the_snapshot_of_the_whole(
    made: Project, monkeypatch: pytest.MonkeyPatch, entity: str
) -> None:
    hours = pl.int_range(40).cast(pl.Int64)
    drawn = [(("a" if hour % 3 else "b",), hour % 40, hour) for hour in range(120)]
    rows = make_rows([(("a",), hour) for hour in pl.select(hours).to_series()])
    halves = {f"s-{half}.parquet": rows[20 * half : 20 * half + 20] for half in range(2)}
    made.write({**halves, "events.parquet": make_events(drawn)})
    sections = {
        "sources": 's = "s-*.parquet"\nevents = "events.parquet"',
        "extract": 'query = "SELECT * FROM s"\ntime = "t"\nkey = ["id"]',
        "tables.past": 'source = "events"\ntime = "at"\nover = "9h"\n'
        f"entity = {entity}\n"
        'values = { mean = "AVG(x * 0.1)" }',
        "features": 'mean = "mean"',
    }
    assert "[tables.past]" in define(**sections)
    plan = made.plan(**sections)
    table = open_table(plan.definition, plan.project)
    whole = extract_snapshot(plan, table, made.folder / "whole" / "snapshot")
    monkeypatch.setattr(partitions, "_ROWS", 1)
    monkeypatch.setattr(chunked_join, "CHUNK_ROWS", 7)
    parts = extract_snapshot(plan, table, made.folder / "parts" / "snapshot")
    assert (len(whole), len(parts)) == (1, 6)
    assert [each.name for each in parts[0].parent.parent.iterdir()] == ["snapshot"]
    assert_frame_equal(pl.read_parquet(parts), pl.read_parquet(whole), check_exact=True)
