"""Files of a source: read as they come, or refused with the file and column at fault."""

from pathlib import Path

import polars as pl
import pytest
from tables import ROWS as TIMED
from tables import read_source, scan_files, write_file

from tasks.core.errors import SourceError

ROWS = TIMED.drop("t")


def test_missing_file_names_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "flights.csv").touch()
    with pytest.raises(SourceError, match=r"\[sources\] s: .*did you mean 'flights.csv'"):
        scan_files(tmp_path, "flihgts.csv")
    with pytest.raises(SourceError, match=r"there is no folder .*other"):
        scan_files(tmp_path, "other/*.csv")
    with pytest.raises(SourceError, match=r"is a folder; name the files in it"):
        scan_files(tmp_path, ".")


@pytest.mark.parametrize("damage", ["empty", "truncated", "page"])
def test_damaged_parquet_is_named_among_others(tmp_path: Path, damage: str) -> None:
    ROWS.write_parquet(tmp_path / "a.parquet")
    ROWS.write_parquet(tmp_path / "b.parquet")
    whole = (tmp_path / "b.parquet").read_bytes()
    broken = {
        "empty": b"",
        "truncated": whole[: len(whole) // 2],
        "page": whole[:8] + b"\xff" * 200 + whole[208:],
    }
    (tmp_path / "b.parquet").write_bytes(broken[damage])
    with pytest.raises(SourceError, match=r"b.parquet: (is empty|cannot be read)") as refusal:
        read_source(tmp_path, "*.parquet")
    assert "a.parquet" not in str(refusal.value)


def test_csv_without_rows_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("id,x\n")
    with pytest.raises(SourceError, match=r"s.csv: holds no rows"):
        scan_files(tmp_path, "s.csv")


def test_small_integers_have_room_for_arithmetic(tmp_path: Path) -> None:
    rows = pl.DataFrame({"month": [12], "sold": [3]}, schema={"month": pl.Int8, "sold": pl.UInt32})
    rows.write_parquet(tmp_path / "s.parquet")
    found = scan_files(tmp_path, "s.parquet").select(
        pl.sql_expr("month * 100 + 31"), pl.sql_expr("sold - 5")
    )
    assert found.collect().row(0) == (1231, -2)


def test_text_and_categories_agree_on_text(tmp_path: Path) -> None:
    for name, dtype in (("a", pl.String), ("b", pl.Categorical)):
        write_file(pl.DataFrame({"c": ["x"]}, schema={"c": dtype}), tmp_path / f"{name}.parquet")
    assert read_source(tmp_path, "*.parquet")["c"].to_list() == ["x", "x"]
