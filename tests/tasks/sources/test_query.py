"""Sources: joined by one SELECT that says the same whenever it runs, with event times in UTC."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from tables import ROWS, define, write_file

from tasks.core.definition import parse_definition
from tasks.core.errors import DefinitionError, PerennialError, SourceError
from tasks.sources.file_contents import see_files
from tasks.sources.query import SourceTable, collect, open_table


def open_made(folder: Path, rows: pl.DataFrame = ROWS, **sections: str) -> SourceTable:
    write_file(rows, folder / "s.parquet")
    return open_table(parse_definition(define(**sections), "made.toml"), folder)


def query(sql: str) -> dict[str, str]:
    return {"extract": f'query = """{sql}"""\ntime = "t"\nkey = ["id"]'}


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM s",
        "-- all\nselect * from s;",
        "(SELECT * FROM s)",
        "WITH a AS (SELECT * FROM s) SELECT * FROM a",
    ],
)
def test_query_is_one_select(tmp_path: Path, sql: str) -> None:
    table = open_made(tmp_path, **query(sql))
    assert collect(table, table.rows).equals(ROWS)


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("DELETE FROM s", "must be one SELECT"),
        ("SHOW TABLES", "must be one SELECT"),
        ("WITH a AS (SELECT * FROM s) DELETE FROM s", "unsupported"),
        ("SELECT * FROM s; DROP TABLE s", "only one"),
        ("SELECT * FORM s", "found: FORM"),
        ("SELECT * FROM flights", "there is no source 'flights'; known: 's'"),
        ("SELECT xx FROM s", "there is no column 'xx'; did you mean 'x'"),
        ("SELECT a.xx FROM s a", "there is no column 'xx'; did you mean 'x'"),
        ("SELECT *, x FROM s", "two columns named 'x'; name one of them otherwise"),
        ("SELECT c * 2 AS x FROM s", "arithmetic on dtypes str"),
        ("SELECT * FROM s WHERE t < NOW()", "NOW reads the clock"),
        ("SELECT * FROM read_csv('/etc/passwd')", r"READ_CSV\(\) reads a file; name it in"),
    ],
)
def test_query_that_cannot_stand_is_refused(tmp_path: Path, sql: str, said: str) -> None:
    with pytest.raises(DefinitionError, match=r"^\[extract\] query: .*" + said) as refusal:
        open_made(tmp_path, **query(sql))
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("sql", ["CAST(c AS INT)", "STRPTIME(c, '%Y-%m-%d')", "ABS(c)"])
def test_query_that_fails_on_the_data_is_named(tmp_path: Path, sql: str) -> None:
    table = open_made(tmp_path, **query(f"SELECT * REPLACE ({sql} AS x) FROM s"))
    with pytest.raises(
        DefinitionError, match=r"^\[extract\] query: fails on the data: "
    ) as refusal:
        collect(table, table.rows)
    assert "\n" not in str(refusal.value)


def test_file_that_breaks_under_a_query_is_named(tmp_path: Path) -> None:
    opened = open_made(tmp_path, **query("SELECT * FROM s WHERE x > 0"))
    whole = (tmp_path / "s.parquet").read_bytes()
    (tmp_path / "s.parquet").write_bytes(whole[:8] + b"\xff" * 200 + whole[208:])
    table = opened.model_copy(update={"seen": see_files(opened.files["s"])})
    with pytest.raises(SourceError, match=r"s.parquet: cannot be read"):
        collect(table, table.rows)


@pytest.mark.parametrize(
    ("extract", "said"),
    [
        ('time = "tt"', r"\[extract\] time: there is no column 'tt'; did you mean 't'"),
        ('time = "t"\nkey = ["id", "K"]', r"\[extract\] key: .*'K'; did you mean 'k'"),
        ('time = "t"\ntime_zone = "Europe/Berln"', r"time_zone: .*did you mean 'Europe/Berlin'"),
        ('time = "c"', r"\[extract\] time: column 'c' is String.*STRPTIME\(\"c\", '%Y"),
        ('time = "k"', r"\[extract\] time: column 'k' is Int64.*AS TIMESTAMP\)"),
    ],
)
def test_time_or_key_that_is_none_is_refused(tmp_path: Path, extract: str, said: str) -> None:
    with pytest.raises(PerennialError, match=said) as refusal:
        open_made(tmp_path, extract=extract)
    assert refusal.value.exit_code == 2


def test_column_that_reads_as_a_pattern_may_be_there_but_not_be_used(tmp_path: Path) -> None:
    rows = ROWS.with_columns(pl.col("id").alias("^x$"))
    table = open_made(tmp_path, rows)
    assert collect(table, table.rows).columns == rows.columns
    with pytest.raises(DefinitionError, match="reads as a pattern of names; rename it"):
        open_made(tmp_path, rows, extract='key = ["^x$"]')
    with pytest.raises(DefinitionError, match="reads as a pattern of names; rename it"):
        open_made(tmp_path, rows, **query("SELECT * FROM s"))


def times(folder: Path, values: list[object], extract: str = 'time = "t"') -> list[datetime | None]:
    table = open_made(folder, pl.DataFrame({"t": values}), extract=extract)
    assert table.time is not None
    return collect(table, table.rows.select(table.time)).to_series().to_list()


def test_times_with_a_zone_or_without_are_in_utc(tmp_path: Path) -> None:
    noon, new_york = datetime(2020, 7, 1, 12), 'time = "t"\ntime_zone = "America/New_York"'
    assert times(tmp_path, [noon]) == [noon.replace(tzinfo=UTC)]
    assert times(tmp_path, [noon], new_york) == [datetime(2020, 7, 1, 16, tzinfo=UTC)]
    assert times(tmp_path, [noon.replace(tzinfo=UTC)], new_york) == [noon.replace(tzinfo=UTC)]
    assert times(tmp_path, [date(2020, 7, 1)]) == [datetime(2020, 7, 1, tzinfo=UTC)]
    assert times(tmp_path, [None, None]) == [None, None]


def test_day_that_begins_at_one_has_a_time(tmp_path: Path) -> None:
    zone = 'time = "t"\ntime_zone = "America/Sao_Paulo"'
    assert times(tmp_path, [date(2017, 10, 15), None], zone) == [
        datetime(2017, 10, 15, 3, tzinfo=UTC),
        None,
    ]


def test_local_time_that_clocks_skip_is_missing_and_one_given_twice_is_the_earlier(
    tmp_path: Path,
) -> None:
    new_york = 'time = "t"\ntime_zone = "America/New_York"'
    skipped, given_twice = datetime(2020, 3, 8, 2, 30), datetime(2020, 11, 1, 1, 30)
    hour = timedelta(hours=1)
    assert times(tmp_path, [skipped - hour, skipped, skipped + hour], new_york) == [
        datetime(2020, 3, 8, 6, 30, tzinfo=UTC),
        None,
        datetime(2020, 3, 8, 7, 30, tzinfo=UTC),
    ]
    assert times(tmp_path, [given_twice], new_york) == [datetime(2020, 11, 1, 5, 30, tzinfo=UTC)]
