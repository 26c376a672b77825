"""A column leads to the source and the files that it is read from, or to nothing that is unsure."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from tables import ROWS, START, define, write_file

from tasks.core.definition import Definition, parse_definition
from tasks.core.definition_file import load_definition
from tasks.monitoring.column_sources import find_files, find_source
from tasks.sources.query import open_table

REPOSITORY = Path(__file__).parents[3]
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("column", "source"),
    [
        ("distance", "flights"),
        ("plane_year", "planes"),
        ("seats", "planes"),
        ("temp", "weather"),
        ("time_hour", "flights"),
        ("nowhere", ""),
    ],
)
def test_query_says_which_source(column: str, source: str) -> None:
    definition = load_definition(REPOSITORY / "deployments" / "flight_delay.toml")
    table = open_table(definition, REPOSITORY)
    schemas = {name: frame.collect_schema() for name, frame in table.frames.items()}
    assert find_source(definition, schemas, column) == source


def made(folder: Path, **sections: str) -> Definition:
    for day in range(3):
        part = ROWS.filter(pl.col("t").dt.date() == (START + day * DAY).date())
        write_file(part, folder / "s" / f"{day}.parquet")
    write_file(ROWS.select("id", z="x"), folder / "other.parquet")
    both = 's = "s/*.parquet"\nother = "other.parquet"'
    query = 'query = "SELECT s.*, other.z AS zed FROM s JOIN other ON s.id = other.id"\n'
    extract = query + 'time = "t"\nkey = ["id"]'
    given = {"sources": both, "extract": extract} | sections
    return parse_definition(define(**given), "made.toml")


def test_files_with_rows_of_the_time_are_named(tmp_path: Path) -> None:
    definition = made(tmp_path)
    table = open_table(definition, tmp_path)
    since = START.replace(tzinfo=UTC) + DAY
    assert find_files(definition, table, "s", since, None) == ("1.parquet", "2.parquet")
    assert find_files(definition, table, "s", since, since + DAY) == ("1.parquet",)
    assert find_files(definition, table, "other", since, None) == ("other.parquet",)
    assert find_files(definition, table, "gone", since, None) == ()


def test_an_only_file_is_named_where_it_has_rows_of_the_time(tmp_path: Path) -> None:
    write_file(ROWS, tmp_path / "s.csv")
    text = define(sources='s = "s.csv"', extract='time = "t"\nkey = ["id"]')
    definition = parse_definition(text, "made.toml")
    table, last = open_table(definition, tmp_path), ROWS["t"][-1].replace(tzinfo=UTC)
    assert find_files(definition, table, "s", last, None) == ("s.csv",)
    assert find_files(definition, table, "s", last + DAY, None) == ()


def test_a_hint_that_cannot_be_had_is_none(tmp_path: Path) -> None:
    definition = made(tmp_path)
    table = open_table(definition, tmp_path)
    (tmp_path / "s" / "1.parquet").write_bytes(b"torn")
    since = datetime(2020, 1, 1, tzinfo=UTC)
    assert find_files(definition, table, "s", since, None) == ()
    timeless = definition.model_copy(
        update={"extract": definition.extract.model_copy(update={"time": None})}
    )
    assert find_files(timeless, table, "s", since, None) == ()
    other = definition.model_copy(
        update={"extract": definition.extract.model_copy(update={"time": "asked"})}
    )
    assert find_files(other, open_table(made(tmp_path), tmp_path), "s", since, None) == ()


def test_alone_or_by_another_name_a_column_is_found(tmp_path: Path) -> None:
    schemas = {"s": ROWS.schema, "other": pl.Schema({"id": pl.Int64, "z": pl.Float64})}
    definition = made(tmp_path)
    assert find_source(definition, schemas, "zed") == "other"
    assert find_source(definition, schemas, "z") == "other"
    assert find_source(definition, {**schemas, "more": ROWS.schema}, "c") == ""
    assert find_source(definition, schemas, "c") == "s"
    alone = parse_definition(define(), "made.toml")
    assert find_source(alone, {"s": ROWS.schema}, "x") == "s"
