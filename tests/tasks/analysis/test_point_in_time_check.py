"""Rows are held to what was known at their times: joined ones are, spoilt ones are not."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from entities import EVENTS, ROWS, define_table, make_events, make_rows
from hypothesis import given, settings
from tables import write_file

from tasks.analysis.point_in_time_check import check_point_in_time, pick_rows
from tasks.core.checks import failed
from tasks.core.definition import Definition
from tasks.sources.query import SourceTable, open_table

AVERAGE = ('time = "at"\nknown_after = "2h"\nover = "9h"', {"v": "AVG(x * 0.1)", "n": "COUNT(*)"})
LATEST = ('time = "at"\nknown_after = "2h"', {"v": "x"})
LAST_WORD = ('time = "at"', {"v": "CAST(x AS VARCHAR)"})
IS = ("", {"v": "x"})
KINDS = [AVERAGE, LATEST, LAST_WORD, IS]


def open_rows(
    folder: Path, kind: tuple[str, dict[str, str]], rows: pl.DataFrame, events: pl.DataFrame
) -> tuple[Definition, SourceTable]:
    definition = define_table(*kind)
    write_file(rows, folder / "s.parquet")
    write_file(events, folder / "events.parquet")
    return definition, open_table(definition, folder)


@pytest.mark.parametrize("kind", KINDS)
def test_any_rows_that_were_joined_hold_what_was_known(
    kind: tuple[str, dict[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    @given(EVENTS, ROWS)
    @settings(max_examples=20)
    def hold(drawn: Any, asked: Any) -> None:
        folder = tmp_path_factory.mktemp("known")
        definition, table = open_rows(folder, kind, make_rows(asked), make_events(drawn))
        assert not failed(check_point_in_time(definition, table, table.rows.sort("t")))

    hold()


@pytest.mark.parametrize("kind", KINDS)
def test_values_of_another_time_or_scale_are_found(
    kind: tuple[str, dict[str, str]], tmp_path: Path
) -> None:
    drawn = [(("a",), hour, hour + 1) for hour in range(40)]
    rows = make_rows([(("a",), hour) for hour in range(40)])
    definition, table = open_rows(tmp_path, kind, rows, make_events(drawn))
    joined = table.rows.sort("t").collect()
    number = joined.schema["v"].is_numeric()
    spoilt = pl.col("v") * 2.54 if number else pl.col("v") + "?"
    for changed in (spoilt, pl.lit(None, joined.schema["v"])):
        (broken,) = failed(
            check_point_in_time(definition, table, joined.lazy().with_columns(v=changed))
        )
        assert broken.name == "table 'past'"
        assert "rows hold another 'v' than was known at their times" in broken.detail


def test_rows_are_picked_all_over_and_at_the_end() -> None:
    picked = pick_rows(pl.LazyFrame({"id": range(10_000)}))["id"].to_list()
    assert 32 <= len(picked) <= 40
    assert picked[0] == 0
    assert sum(each >= 9_840 for each in picked) >= 16
    assert len(pick_rows(pl.LazyFrame({"id": range(3)}))) == 3
