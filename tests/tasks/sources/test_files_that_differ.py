"""A source's files may differ in order, in width and in what is missing, but in nothing else."""

from datetime import datetime
from pathlib import Path

import polars as pl
import pytest
from tables import ROWS as TIMED
from tables import read_source, scan_files, write_file

from tasks.core.errors import DefinitionError, SourceError

ROWS = TIMED.drop("t")


@pytest.fixture(params=["parquet", "csv", "ndjson"])
def two_files(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, str]:
    write_file(ROWS[:200], tmp_path / f"a.{request.param}")
    return tmp_path, request.param


def add(two_files: tuple[Path, str], second: pl.DataFrame) -> str:
    folder, kind = two_files
    write_file(second, folder / f"b.{kind}")
    return f"*.{kind}"


def test_empty_file_is_named_and_one_without_rows_is_read(two_files: tuple[Path, str]) -> None:
    folder, kind = two_files
    (folder / f"b.{kind}").touch()
    with pytest.raises(SourceError, match=f"b.{kind}: is empty"):
        scan_files(folder, f"*.{kind}")
    if kind != "ndjson":
        assert len(read_source(folder, add(two_files, ROWS[:0]))) == 200


@pytest.mark.parametrize("name", ["a b", "a.b", "$x", "[x]", 'a"b', "^x$", "*", "", "select"])
def test_column_of_an_unusual_name_is_read(two_files: tuple[Path, str], name: str) -> None:
    folder, kind = two_files
    write_file(ROWS[:200].rename({"x": name}), folder / f"a.{kind}")
    found = read_source(folder, add(two_files, ROWS[200:].rename({"x": name})))
    assert found.columns == ["id", name, "k", "c", "y"]
    assert found[:, 1].to_list() == ROWS["x"].to_list()


def test_whole_numbers_in_one_file_widen(two_files: tuple[Path, str]) -> None:
    second = ROWS[200:].with_columns(x=pl.col("k"), k=pl.col("x"))
    found = read_source(two_files[0], add(two_files, second))
    assert found.schema["x"] == found.schema["k"] == pl.Float64
    assert found["x"].to_list() == ROWS["x"][:200].to_list() + ROWS["k"][200:].to_list()


def test_column_all_missing_in_one_file_takes_its_type_from_the_others(
    two_files: tuple[Path, str],
) -> None:
    second = ROWS[200:].with_columns(x=pl.lit(None, pl.String), c=pl.lit(None, pl.String))
    found = read_source(two_files[0], add(two_files, second))
    assert found.schema == ROWS.schema
    assert found.null_count().row(0) == (0, 200, 0, 200, 0)


def test_columns_in_another_order_are_the_same_columns(two_files: tuple[Path, str]) -> None:
    assert read_source(
        two_files[0], add(two_files, ROWS[200:].select(reversed(ROWS.columns)))
    ).equals(ROWS)


def test_column_missing_or_of_another_type_in_one_file_is_named(
    two_files: tuple[Path, str],
) -> None:
    folder, kind = two_files
    with pytest.raises(SourceError, match=f"b.{kind}: has no column 'x', which .*a.{kind} has"):
        scan_files(folder, add(two_files, ROWS[200:].drop("x")))
    with pytest.raises(SourceError, match=f"b.{kind}: column 'x' is String, but Float64 in .*a."):
        scan_files(folder, add(two_files, ROWS[200:].with_columns(x=pl.lit("hi"))))


def test_file_with_text_is_named_where_others_are_empty(tmp_path: Path) -> None:
    for name, value in (("a", None), ("b", "hi"), ("c", "1.5")):
        (tmp_path / f"{name}.csv").write_text(f"id,x\n1,{value or ''}\n")
    with pytest.raises(SourceError, match=r"c.csv: column 'x' is Float64, but String in .*b.csv"):
        scan_files(tmp_path, "*.csv")


def test_types_settle_a_column_whatever_the_files_say(two_files: tuple[Path, str]) -> None:
    folder, kind = two_files
    second = ROWS[200:].with_columns(x=pl.col("x").cast(pl.String))
    found = read_source(folder, add(two_files, second), types={"x": "number"})
    assert found["x"].to_list() == ROWS["x"].to_list()
    with pytest.raises(DefinitionError, match=r"has no column 'xx'; did you mean 'x'"):
        scan_files(folder, f"*.{kind}", types={"xx": "number"})


def test_times_widen_and_text_becomes_a_time_by_types(tmp_path: Path) -> None:
    at = pl.Series("at", [datetime(2020, 1, 1), datetime(2020, 1, 2)])
    at.to_frame().write_parquet(tmp_path / "a.parquet")
    at.dt.cast_time_unit("ns").to_frame().write_parquet(tmp_path / "b.parquet")
    at.dt.date().to_frame().write_parquet(tmp_path / "c.parquet")
    assert read_source(tmp_path, "*.parquet")["at"].to_list() == at.to_list() * 3
    at.dt.to_string("%d.%m.%Y %H:%M").to_frame().write_parquet(tmp_path / "a.parquet")
    assert read_source(tmp_path, "a.parquet", types={"at": "time"})["at"].to_list() == at.to_list()
    at.dt.epoch("s").to_frame().write_parquet(tmp_path / "a.parquet")
    with pytest.raises(DefinitionError, match="'at' is Int64, whose unit nobody knows"):
        scan_files(tmp_path, "a.parquet", types={"at": "time"})


def test_column_that_comes_later_is_missing_before_where_that_is_said(
    two_files: tuple[Path, str],
) -> None:
    folder, kind = two_files
    later = ROWS[200:].drop("c").with_columns(promo=pl.col("k"), when=pl.lit(datetime(2020, 1, 1)))
    with pytest.raises(SourceError, match=f'a.{kind}: .*missing there by missing_columns = "null"'):
        scan_files(folder, add(two_files, later.with_columns(c=pl.lit("x"))))
    found = read_source(folder, add(two_files, later), missing_columns="null")
    assert found.columns == [*ROWS.columns, "promo", "when"]
    assert found["promo"].to_list() == [None] * 200 + ROWS["k"][200:].to_list()
    assert found["c"].to_list() == [*ROWS["c"][:200].to_list(), *[None] * 200]
    assert (found["when"].null_count(), found["y"].null_count()) == (200, 0)


def test_types_of_a_column_that_comes_later_count(two_files: tuple[Path, str]) -> None:
    folder, kind = two_files
    uri = add(two_files, ROWS[200:].with_columns(promo=pl.col("k")))
    found = read_source(folder, uri, missing_columns="null", types={"promo": "number"})
    assert (found.schema["promo"], found["promo"].null_count()) == (pl.Float64, 200)
    with pytest.raises(DefinitionError, match=r"has no column 'prom'; did you mean 'promo'"):
        scan_files(folder, f"b.{kind}", missing_columns="null", types={"prom": "number"})
