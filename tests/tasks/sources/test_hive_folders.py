"""Folders named `month=1` give their files a column, as what is in a file does."""

import shutil
from datetime import date
from pathlib import Path

import polars as pl
import pytest
import s3fs
from tables import ROWS, START, Project, read_source, scan_files, write_file

from tasks.core.errors import SourceError, SourceRefused
from tasks.extraction import partitions
from tasks.init.propose import draft_definition
from tasks.sources.query import digest_sources, open_table

KINDS = ["parquet", "csv", "ndjson"]
PLAIN = ROWS.drop("t")


def lay_out(folder: Path, kind: str, *names: str) -> str:
    """Write a tenth of the rows into each folder, and give the glob of all."""
    for number, name in enumerate(names):
        (folder / "h" / name).mkdir(parents=True, exist_ok=True)
        write_file(PLAIN[40 * number : 40 * number + 40], folder / "h" / name / f"part.{kind}")
    return f"h/**/*.{kind}"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("texts", "values"),
    [
        (("1", "10", "2"), [1, 10, 2]),
        (("01", "02", "10"), [1, 2, 10]),
        (("1", "01"), ["1", "01"]),
        (("2020-01-31", "2020-02-01"), [date(2020, 1, 31), date(2020, 2, 1)]),
        (("2020-02-30", "2020-02-01"), ["2020-02-30", "2020-02-01"]),
        (("1", "a%20b%2Fc"), ["1", "a b/c"]),
        (("1", "__HIVE_DEFAULT_PARTITION__"), [1, None]),
        (("99999999999999999999", "1"), ["99999999999999999999", "1"]),
        (("1.5", "x=y", ""), ["1.5", "x=y", ""]),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_folder_gives_a_column_of_the_type_that_its_values_have(
    tmp_path: Path, kind: str, texts: tuple[str, ...], values: list[object]
) -> None:
    found = read_source(tmp_path, lay_out(tmp_path, kind, *(f"v={each}" for each in texts)))
    told = dict(found.group_by("v").agg(pl.col("id").min()).select("id", "v").iter_rows())
    assert found.columns == [*PLAIN.columns, "v"]
    assert told == {40 * number: value for number, value in enumerate(values)}


def test_folders_in_folders_and_types_that_are_given(tmp_path: Path) -> None:
    uri = lay_out(tmp_path, "csv", "year=2020/m%20m=1", "year=2020/m%20m=02")
    found = read_source(tmp_path, uri, types={"m m": "text", "year": "number"})
    assert found.columns[-2:] == ["year", "m m"]
    assert found.select("year", "m m").unique().sort("m m").rows() == [
        (2020.0, "02"),
        (2020.0, "1"),
    ]
    with pytest.raises(SourceRefused, match="its folder says m m = '02', which is no Date"):
        scan_files(tmp_path, uri, types={"m m": "date"})


@pytest.mark.parametrize("kind", KINDS)
def test_column_in_folder_and_file_must_agree(tmp_path: Path, kind: str) -> None:
    uri = lay_out(tmp_path, kind, "c=north", "c=south")
    for name in ("north", "south"):
        write_file(PLAIN.filter(c=name), tmp_path / "h" / f"c={name}" / f"part.{kind}")
    found = read_source(tmp_path, uri)
    assert found["c"].unique().sort().to_list() == ["north", "south"]
    assert found.columns == PLAIN.columns
    write_file(PLAIN, tmp_path / "h" / "c=south" / f"part.{kind}")
    with pytest.raises(SourceRefused, match=f"c=south/part.{kind}: column 'c' holds other values"):
        scan_files(tmp_path, uri)


@pytest.mark.parametrize("kind", KINDS)
def test_folder_of_some_files_only_is_a_column_that_others_lack(tmp_path: Path, kind: str) -> None:
    lay_out(tmp_path, kind, "v=1", "other")
    with pytest.raises(SourceError, match=f"other/part.{kind}: has no column 'v', which"):
        scan_files(tmp_path, f"h/*/*.{kind}")
    found = read_source(tmp_path, f"h/*/*.{kind}", missing_columns="null")
    assert (found["v"].null_count(), found["v"].sum()) == (40, 40)


def test_two_folders_of_one_column_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="two of its folders are of one column"):
        scan_files(tmp_path, lay_out(tmp_path, "csv", "v=1/v=2"))


@pytest.mark.parametrize("kind", KINDS)
def test_folder_serves_as_feature_key_and_time_and_names_the_snapshot(
    made: Project, kind: str
) -> None:
    for number in range(4):
        rows = ROWS[100 * number : 100 * number + 100].drop("t")
        place = made.folder / f"day=2020-01-0{number + 1}" / f"k={number}"
        place.mkdir(parents=True)
        write_file(rows.drop("k"), place / f"part.{kind}")
    sections = {
        "sources": f's = "*/*/*.{kind}"',
        "extract": 'time = "day"\nkey = ["id", "k"]',
        "features": 'x = "x"\nk = "k"',
    }
    plan = made.plan(**sections)
    rows = made.snapshot(plan).scan().collect()
    assert rows.group_by("k").len().sort("k").rows() == [(number, 100) for number in range(4)]
    assert str(plan.as_of)[:10] == "2020-01-04"
    shutil.move(made.folder / "day=2020-01-02" / "k=1", made.folder / "day=2020-01-02" / "k=7")
    assert made.plan(**sections).snapshot != plan.snapshot


def test_alike_files_in_other_folders_are_other_partitions(
    made: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partitions, "_ROWS", 1)
    for number in (1, 2):
        (made.folder / f"day=2020-01-0{number}").mkdir()
        ROWS[:50].drop("t").write_parquet(made.folder / f"day=2020-01-0{number}" / "s.parquet")
    plan = made.plan(sources='s = "*/s.parquet"', extract='time = "day"')
    table = open_table(plan.definition, plan.project)
    found = partitions.find_partitions(plan.definition, table, plan.sources)
    assert len({each.key for each in found}) == 2
    days = made.snapshot(plan).scan().collect()["day"]
    assert days.unique().sort().to_list() == [date(2020, 1, 1), date(2020, 1, 2)]


def test_folders_in_a_bucket_give_their_column(made: Project, bucket: str) -> None:
    files = s3fs.S3FileSystem(use_listings_cache=False)
    for month in (1, 2):
        made.write(ROWS[200 * month - 200 : 200 * month])
        files.put_file(str(made.folder / "s.parquet"), f"{bucket}/h/month={month}/s.parquet")
    plan = made.plan(
        sources=f's = "{bucket}/h/*/*.parquet"', features='m = "month"', as_of=START.replace(day=9)
    )
    rows = made.snapshot(plan).scan().collect()
    assert rows["month"].unique().to_list() == [1]
    table = open_table(plan.definition, plan.project)
    assert digest_sources(table) == plan.sources


@pytest.mark.parametrize("kind", KINDS)
def test_folder_is_seen_where_a_source_is_looked_at_first(tmp_path: Path, kind: str) -> None:
    uri = lay_out(tmp_path, kind, "day=2020-01-01", "day=2020-01-02")
    _, text, _ = draft_definition(uri, "y", time="day", key=("id",), name="s", project=tmp_path)
    assert 'time = "day"' in text
