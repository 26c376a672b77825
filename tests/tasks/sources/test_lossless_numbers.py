"""Numbers of CSV and NDJSON that a column's type would change are refused."""

from pathlib import Path

import polars as pl
import pytest
from tables import read_source, scan_files

from tasks.core.errors import SourceRefused
from tasks.init.type_inference import read_table

BIG = 2**53 + 1


@pytest.mark.parametrize("kind", ["csv", "ndjson"])
@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        ("9007199254740993", "1.5", False),
        ("-9007199254740993", "1.5", False),
        ("9007199254740991", "1.5", True),
        ("9007199254740993", "2", True),
        ("0.12345678901234567", "1.5", True),
        ("99999999999999999999", "1", True),
    ],
)
def test_text_of_large_whole_numbers_is_not_rounded(
    tmp_path: Path, kind: str, first: str, second: str, kept: bool
) -> None:
    lines = {"csv": "k,c\na,{}\nb,{}\n", "ndjson": '{{"k":"a","c":{}}}\n{{"k":"b","c":{}}}\n'}
    (tmp_path / f"s.{kind}").write_text(lines[kind].format(first, second))
    if kept:
        values = [float(each) if "." in first + second else int(each) for each in (first, second)]
        assert read_source(tmp_path, f"s.{kind}")["c"].to_list() == values
        return
    with pytest.raises(SourceRefused, match=f"s.{kind}: column 'c' has whole numbers beyond 2"):
        scan_files(tmp_path, f"s.{kind}")
    texts = read_source(tmp_path, f"s.{kind}", types={"c": "text"})["c"].to_list()
    assert texts == [first, second]
    assert read_source(tmp_path, f"s.{kind}", types={"c": "number"})["c"].to_list()[1] == 1.5


@pytest.mark.parametrize("kind", ["csv", "ndjson"])
def test_text_of_large_whole_numbers_in_another_file_is_not_rounded(
    tmp_path: Path, kind: str
) -> None:
    pl.DataFrame({"c": [BIG]}).write_csv(tmp_path / "a.csv")
    pl.DataFrame({"c": [1.5]}).write_csv(tmp_path / "b.csv")
    pl.DataFrame({"c": [BIG]}).write_ndjson(tmp_path / "a.ndjson")
    pl.DataFrame({"c": [1.5]}).write_ndjson(tmp_path / "b.ndjson")
    with pytest.raises(
        SourceRefused, match=f"b.{kind}: column 'c' is Float64, but Int64 in .*a.{kind}"
    ):
        scan_files(tmp_path, f"*.{kind}")


@pytest.mark.parametrize(("texts", "kept"), [(("007", "7"), False), (("007", "008"), True)])
@pytest.mark.parametrize("apart", [False, True])
def test_zeros_in_front_that_tell_two_codes_apart_are_not_dropped(
    tmp_path: Path, texts: tuple[str, str], kept: bool, apart: bool
) -> None:
    one, other = texts
    if apart:
        (tmp_path / "a.csv").write_text(f"k,c\na,{one}\n")
        (tmp_path / "b.csv").write_text(f"k,c\na,{other}\n")
    else:
        (tmp_path / "a.csv").write_text(f"k,c\na,{one}\nb,{other}\nc,0\n")
    if kept:
        assert read_source(tmp_path, "*.csv")["c"].to_list()[:2] == [7, 8]
        return
    with pytest.raises(SourceRefused, match=r"a.csv: column 'c' has numbers that differ by lead"):
        scan_files(tmp_path, "*.csv")
    assert read_source(tmp_path, "*.csv", types={"c": "text"})["c"].to_list()[:2] == ["007", "7"]


def test_columns_that_numbers_would_spoil_are_read_as_text_where_nobody_has_said(
    tmp_path: Path,
) -> None:
    (tmp_path / "s.csv").write_text(f"id,code,big\n1,007,{BIG}\n2,7,1.5\n")
    reading, table = read_table("s.csv", "s", tmp_path)
    assert reading.source.types == {"code": "text", "big": "text"}
    assert table.columns["id"] == pl.Int64
