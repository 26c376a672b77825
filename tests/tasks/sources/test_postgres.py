"""Sources in a real PostgreSQL: what is read, how often, and what is never told."""

import sys
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tables import ROWS, Project

from flows.retrain import find_done, plan_retrain, retrain
from tasks.core.data_sections import Source
from tasks.core.definition import parse_definition
from tasks.core.errors import DefinitionError, PerennialError, SourceError
from tasks.extraction.task import extract
from tasks.sources import postgres
from tasks.sources.database_export import export_source
from tasks.sources.postgres import reading

FLIGHTS = "data/nycflights13/flights-*.parquet"
Run = Callable[[str], None]


def read(uri: str, **keys: Any) -> pl.DataFrame:
    source = Source.model_validate({"uri": uri, **keys})
    return pl.read_parquet(list(export_source(source, "[sources] s")), glob=False)


def test_types_are_what_they_were(uri: str) -> None:
    query = """
    SELECT 1::smallint AS small, 2::bigint AS big, 0.1::real AS half, 0.1::float8 AS whole,
           true AS flag, 'ä' AS words, 'b'::char(3) AS padded, NULL::int AS none,
           timestamptz '2013-01-01 05:00+05' AS instant, timestamp '2013-01-01 05:00' AS local,
           'infinity'::timestamptz AS never, date '2013-02-03' AS day, 1.10::numeric AS loose,
           interval '90 min' AS span, '{"a": 1}'::jsonb AS tree, ARRAY[1, 2] AS list
    """
    (row,) = read(uri, query=query).to_dicts()
    instant = row.pop("instant")
    assert (instant.isoformat(), row.pop("half")) == (
        "2013-01-01T00:00:00+00:00",
        pytest.approx(0.1),
    )
    assert row == {
        "small": 1, "big": 2, "whole": 0.1, "flag": True, "words": "ä", "padded": "b",
        "none": None, "local": datetime(2013, 1, 1, 5), "never": None, "day": date(2013, 2, 3),
        "loose": 1.1, "span": "01:30:00", "tree": '{"a": 1}', "list": "{1,2}",
    }  # fmt: skip


def test_number_of_a_settled_scale_stays_exact(uri: str, run: Run) -> None:
    run('DROP TABLE IF EXISTS "Odd name"')
    run('CREATE TABLE "Odd name" ("a ""b" numeric(30, 12), c varchar(9))')
    run("INSERT INTO \"Odd name\" VALUES (123456789012345678.123456789012, 'x'), ('NaN', NULL)")
    rows = read(uri, table="Odd name")
    assert rows.rows() == [(Decimal("123456789012345678.123456789012"), "x"), (None, None)]


@pytest.mark.parametrize("column", ["f", "d", "t"])
def test_parts_together_hold_each_row_once(uri: str, column: str) -> None:
    query = """
    SELECT i, i * 0.5::float8 AS f, date '2013-01-01' + i AS d, NULLIF(i, 7) AS n,
           timestamptz '2013-01-01' + i * interval '1 h' AS t FROM generate_series(1, 1000) AS i
    """
    keys = {"query": query, "partition_on": column, "partitions": 3}
    source = Source.model_validate({"uri": uri, **keys})
    files = export_source(source, "[sources] s")
    assert len(files) == 3
    assert all(pl.read_parquet(file).height > 300 for file in files)
    assert sorted(read(uri, **keys)["i"]) == list(range(1, 1001))
    assert sorted(read(uri, **keys | {"partition_on": "n"})["i"]) == list(range(1, 1001))


def test_run_goes_on_with_what_it_began_with(uri: str, run: Run, made: Project) -> None:
    source = write_table(run, uri)
    plan = made.plan(sources=source)
    run("DELETE FROM made")
    assert extract.fn(plan, made.folder / "work").rows == ROWS.height
    for folder in (made.folder / "root" / "tmp" / "exports").glob("*/*"):
        folder.rename(folder.with_name("gone"))
    with pytest.raises(
        SourceError, match="changed while it was read; run again: it was written to"
    ):
        extract.fn(plan, made.folder / "again")


def write_table(run: Run, uri: str) -> str:
    """Copy the tests' usual rows into a table, and say it as a source."""
    from adbc_driver_postgresql import dbapi

    run("DROP TABLE IF EXISTS made")
    with dbapi.connect(uri, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.adbc_ingest("made", ROWS, mode="create")
    return f's = {{ uri = "{uri}", table = "public.made", partition_on = "id" }}'


def test_nothing_can_be_written(uri: str, run: Run) -> None:
    run("DROP TABLE IF EXISTS t")
    run("CREATE TABLE t AS SELECT 1 AS x")
    run("CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS 'DELETE FROM t RETURNING x'")
    with pytest.raises(PerennialError, match="read-only transaction"):
        read(uri, query="SELECT f() AS x")


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"table": "nowhere"}, 'relation "nowhere" does not exist'),
        ({"query": "SELECT 1 AS a, 2 AS a"}, r"query gives two columns named 'a'"),
        ({"query": "SELECT now() AS a"}, "reads the clock"),
        ({"query": "SELECT 1 AS abc", "partition_on": "abd"}, "did you mean 'abc'"),
        ({"query": "SELECT 'x' AS a", "partition_on": "a"}, "'a' is text; choose a number"),
        ({"query": "SELECT 1 AS a; DROP TABLE t"}, "syntax error"),
        ({"query": "SELECT 1 / (random() * 0)::int AS a"}, "division by zero"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line(uri: str, keys: dict[str, Any], said: str) -> None:
    with pytest.raises(PerennialError, match=said) as refused:
        read(uri, **keys)
    assert str(refused.value).startswith("[sources] s")
    assert "\n" not in str(refused.value)


def test_password_is_told_to_nobody(
    uri: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PGPASSWORD", "wr0ng")
    with pytest.raises(SourceError, match="set PGUSER and PGPASSWORD") as refused:
        read(uri, query="SELECT 1 AS x")
    assert "wr0ng" not in str(refused.value)
    for secret in (uri.replace("//", "//me:s3cret@"), f"{uri}?password=s3cret"):
        text = f'name = "a"\ntarget = {{ value = "x", kind = "binary" }}\nsources.s = "{secret}"'
        with pytest.raises(DefinitionError, match="must hold no password") as told:
            parse_definition(text, "a.toml")
        assert "s3cret" not in str(told.value)


def test_server_that_is_not_there_is_named(made: Project) -> None:
    with pytest.raises(SourceError, match="Connection refused"):
        read("postgresql://127.0.0.1:1/x", query="SELECT 1 AS x")


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ('uri = "postgresql://h/d"', "needs either table or query"),
        ('uri = "postgresql://h/d", table = "t", query = "SELECT 1"', "needs either"),
        ('uri = "postgresql://h/d", table = "t", separator = ";"', "separator is for files"),
        ('uri = "a.csv", partition_on = "x"', "partition_on is for postgresql://"),
        ('uri = "mysql://h/d"', "must be a path, a glob or an address: s3:// or postgresql://"),
    ],
)
def test_keys_that_do_not_fit_are_refused(keys: str, said: str) -> None:
    text = f'name = "a"\ntarget = {{ value = "x", kind = "binary" }}\nsources.s = {{ {keys} }}'
    with pytest.raises(DefinitionError, match=said):
        parse_definition(text, "a.toml")


def test_model_of_a_table_is_the_model_of_its_files(
    uri: str, run: Run, project: Path, prefect_harness: None
) -> None:
    from adbc_driver_postgresql import dbapi

    rows = pl.read_parquet(project / FLIGHTS)
    run("DROP TABLE IF EXISTS flights")
    with dbapi.connect(uri, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.adbc_ingest("flights", rows, mode="create")
    definition = project / "deployments" / "flight_delay.toml"
    ours = retrain("flight-delay")
    table = f'{{ uri = "{uri}", table = "flights", partition_on = "time_hour" }}'
    definition.write_text(definition.read_text().replace(f'"{FLIGHTS}"', table))
    theirs = retrain("flight-delay")
    assert theirs["version"] != ours["version"]
    assert theirs["metrics"] == ours["metrics"]
    assert find_done("flight-delay") is not None
    run("DELETE FROM flights WHERE month = 1")
    assert plan_retrain("flight-delay", None).version != theirs["version"]
    for file in (project.parent / "root").rglob("*"):
        assert file.is_dir() or b"secret" not in file.read_bytes()


def test_driver_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "adbc_driver_postgresql", None)
    source = Source.model_validate({"uri": "postgresql://localhost/d", "table": "t"})
    with pytest.raises(DefinitionError, match="is not installed; run"):
        postgres._connect(source)


def test_fault_of_our_own_is_not_blamed_on_the_server(uri: str, run: Run) -> None:
    run("CREATE TABLE IF NOT EXISTS t AS SELECT 1 AS x")
    source = Source.model_validate({"uri": uri, "table": "t"})
    with pytest.raises(ZeroDivisionError), reading(source, "[sources] s"):
        raise ZeroDivisionError
