"""Files are read as they come in every format, or refused with what is wrong with them."""

from pathlib import Path

import polars as pl
import pytest
from tables import ROWS as TIMED
from tables import read_source, write_file

from tasks.core.errors import SourceError
from tasks.sources import file_formats

ROWS = TIMED.drop("t")


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        (b"\xef\xbb\xbfid,x\n1,2.5\n2,\n", {}),
        (b"id;x\n1;2.5\n2;?\n", {"separator": ";", "null_values": ["?"]}),
        (b"id,x\r\n1,2.5\r\n2,\r\n", {}),
    ],
    ids=["byte order mark", "semicolons", "windows"],
)
def test_csv_is_read_as_it_comes(tmp_path: Path, text: bytes, keys: dict[str, object]) -> None:
    (tmp_path / "s.csv").write_bytes(text)
    keys = {key: tuple(value) if isinstance(value, list) else value for key, value in keys.items()}
    assert read_source(tmp_path, "s.csv", **keys).to_dict(as_series=False) == {
        "id": [1, 2],
        "x": [2.5, None],
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"id;x\n1;2\n", r"one column, 'id;x'; set separator = ';'"),
        ("id,é\n1,2\n".encode("latin-1"), "save it as UTF-8"),
        ("id,c\n1,é\n".encode("latin-1"), "save the file as UTF-8"),
        ("id,c\n1,2\n".encode("utf-16"), "save it as UTF-8"),
        (b"PAR1\x15\x04\xff\n", "save it as UTF-8"),
        (b"id,x\n1,2\n1,2,3\n", "more fields than the header"),
        (b"id,x\na,b\na,b,c\n", "more fields than the header"),
        (b"id,x,x\n1,2,3\n", "two columns named 'x'"),
    ],
)
def test_csv_that_cannot_be_meant_is_refused(tmp_path: Path, text: bytes, said: str) -> None:
    (tmp_path / "s.csv").write_bytes(text)
    with pytest.raises(SourceError, match=f"s.csv: .*{said}"):
        read_source(tmp_path, "s.csv")


def test_column_that_only_looks_like_a_twin_is_read(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("x,x_duplicated_0\n1,2\n")
    assert read_source(tmp_path, "s.csv").columns == ["x", "x_duplicated_0"]


@pytest.mark.parametrize(("kind", "bad"), [("csv", "oops"), ("ndjson", '"oops"')])
def test_value_that_does_not_parse_late_in_a_file_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, bad: str
) -> None:
    monkeypatch.setattr(file_formats, "_INFERRED_ROWS", 100)
    write_file(ROWS, tmp_path / f"s.{kind}")
    path = tmp_path / f"s.{kind}"
    text, half = path.read_text(), path.stat().st_size // 2
    path.write_text(text[:half] + text[half:].replace("7.9", bad))
    with pytest.raises(SourceError, match=f"s.{kind}: .*oops") as refusal:
        read_source(tmp_path, f"s.{kind}")
    assert "column 'x'" in str(refusal.value)
    assert "type in types" in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"id": 1}\n{oops\n', "one object a line"),
        ('[{"id": 1},\n{"id": 2}]\n', "one object a line"),
        ('\ufeff{"id": 1}\n', "byte-order mark"),
    ],
)
def test_ndjson_that_is_none_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "s.ndjson").write_text(text)
    with pytest.raises(SourceError, match=f"s.ndjson: cannot be read: .*{said}"):
        read_source(tmp_path, "s.ndjson")


def test_text_becomes_the_date_that_it_is_said_to_be(tmp_path: Path) -> None:
    written = pl.DataFrame({"day": ["2020-01-02"], "at": ["2020-01-02 03:04"]})
    write_file(written, tmp_path / "s.parquet")
    read = read_source(tmp_path, "s.parquet", types={"day": "date", "at": "time"})
    assert read.dtypes == [pl.Date, pl.Datetime("us")]


def test_file_without_a_column_is_refused(tmp_path: Path) -> None:
    pl.DataFrame().write_parquet(tmp_path / "s.parquet")
    with pytest.raises(SourceError, match=r"s.parquet: holds no columns"):
        read_source(tmp_path, "s.parquet")
