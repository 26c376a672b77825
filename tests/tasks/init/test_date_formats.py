"""Dates that people and programs write are drafted as the moments that they mean."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tasks.core.definition import Definition, parse_definition
from tasks.core.errors import DefinitionError
from tasks.init.propose import draft_definition
from tasks.sources.query import open_table

ROWS = 400
START = datetime(2021, 3, 4, 5, 6, 7)
TIMES = [START + timedelta(hours=31 * row, minutes=row) for row in range(ROWS)]

Read = Callable[..., tuple[list[datetime], Definition, str]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Draft from a column of times, and give the event times that its definition reads."""

    def write_and_read(
        times: list[Any], name: str = "at", kind: str = "csv", **options: Any
    ) -> tuple[list[datetime], Definition, str]:
        rows = pl.DataFrame(
            {
                name: times,
                "row": [7 * row % 997 for row in range(ROWS)],
                "y": ["a", "b"] * (ROWS // 2),
            },
            strict=False,
        )
        path = tmp_path / f"table.{kind}"
        {"csv": rows.write_csv, "parquet": rows.write_parquet, "ndjson": rows.write_ndjson}[kind](
            path
        )
        given = {"time": None, "key": (), "name": None} | options
        _, text, _ = draft_definition(path.name, "y", project=tmp_path, **given)
        definition = parse_definition(text, "drafted")
        table = open_table(definition, tmp_path)
        assert table.time is not None, text.replace("\n# ", " ")
        found = table.rows.select("row", at=table.time).collect()
        return dict(found.iter_rows()), definition, text.replace("\n# ", " ")

    return write_and_read


def moments(times: list[datetime]) -> dict[int, datetime]:
    return {7 * row % 997: time.replace(tzinfo=UTC) for row, time in enumerate(times)}


@pytest.mark.parametrize("kind", ["csv", "parquet", "ndjson"])
@pytest.mark.parametrize(
    "form",
    [
        "%Y-%m-%d %H:%M:%S",
        "%Y-%m-%dT%H:%M:%S",
        "%Y-%m-%dT%H:%M:%SZ",
        "%Y-%m-%dT%H:%M:%S+00:00",
        "%Y/%m/%d %H:%M:%S",
        "%d.%m.%Y %H:%M:%S",
        "%d/%m/%Y %H:%M:%S",
        "%m/%d/%Y %H:%M:%S",
        "%m/%d/%Y %I:%M:%S %p",
        "%m/%d/%y %H:%M:%S",
        "%d-%m-%Y %H:%M:%S",
        "%m-%d-%Y %H:%M:%S",
        "%d-%b-%Y %H:%M:%S",
        "%d %B %Y %H:%M:%S",
        "%B %d, %Y %H:%M:%S",
        "%Y%m%d %H:%M:%S",
    ],
)
def test_formats_of_text(read: Read, form: str, kind: str) -> None:
    found, _, _ = read([time.strftime(form) for time in TIMES], kind=kind)
    assert found == moments(TIMES)


@pytest.mark.parametrize("form", ["%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y", "%d-%b-%y", "%Y%m%d"])
@pytest.mark.parametrize("pad", ["{}", " {}", "{} "])
def test_days_alone_and_padded(read: Read, form: str, pad: str) -> None:
    days = [datetime(2021, 3, 4) + timedelta(days=row) for row in range(ROWS)]
    found, _, _ = read([pad.format(day.strftime(form)) for day in days], name="date")
    assert found == moments(days)


@pytest.mark.parametrize("kind", ["csv", "parquet", "ndjson"])
@pytest.mark.parametrize(
    ("unit", "factor"),
    [("seconds", 1), ("milliseconds", 10**3), ("microseconds", 10**6), ("nanoseconds", 10**9)],
)
@pytest.mark.parametrize("name", ["timestamp", "created_at", "eventTime", "ts"])
def test_numbers_since_1970(read: Read, name: str, unit: str, factor: int, kind: str) -> None:
    numbers = [int(time.replace(tzinfo=UTC).timestamp()) * factor for time in TIMES]
    found, _, text = read(numbers, name=name, kind=kind)
    assert found == moments(TIMES)
    assert f"read as {unit} since 1970" in text


@pytest.mark.parametrize("dtype", [pl.Int32, pl.UInt32, pl.UInt64, pl.Float64, pl.String])
def test_numbers_since_1970_of_any_type(read: Read, dtype: Any) -> None:
    numbers = [int(time.replace(tzinfo=UTC).timestamp()) for time in TIMES]
    column = pl.Series(numbers).cast(dtype)
    found, _, _ = read(column, name="time", kind="parquet")
    assert found == moments(TIMES)


def test_fractions_of_a_second_since_1970(read: Read) -> None:
    times = [time + timedelta(microseconds=123_457) for time in TIMES]
    found, _, _ = read([time.replace(tzinfo=UTC).timestamp() for time in times], name="time")
    assert found == moments(times)


@pytest.mark.parametrize("name", ["phone", "amount"])
def test_large_numbers_are_no_times_but_by_request(read: Read, name: str) -> None:
    numbers = [int(time.replace(tzinfo=UTC).timestamp()) for time in TIMES]
    with pytest.raises(AssertionError, match="split at random"):
        read(numbers, name=name)
    found, _, _ = read(numbers, name=name, time=name)
    assert found == moments(TIMES)


@pytest.mark.parametrize(
    "odd",
    [
        ["unknown"],
        ["0000-00-00"],
        ["", "tbd"],
        ["2021-02-30", "31.02.2021"],
        ["soon", "late", "2021-13-01 00:00"],
    ],
)
@pytest.mark.parametrize("form", ["%Y-%m-%d %H:%M:%S", "%d.%m.%Y %H:%M", "%m/%d/%Y %H:%M"])
def test_time_that_most_rows_hold_is_taken_and_told(read: Read, form: str, odd: list[str]) -> None:
    times = [time.replace(second=0 if "%S" not in form else time.second) for time in TIMES]
    texts = [time.strftime(form) for time in times]
    bad = range(5, ROWS, 33)
    for place, row in enumerate(bad):
        texts[row] = odd[place % len(odd)]
    found, _, text = read(texts)
    assert found == {
        row: time for place, (row, time) in enumerate(moments(times).items()) if place not in bad
    }
    assert f"leaves out {len(bad)} of 400 rows" in text
    assert odd == ["", "tbd"] or repr(odd[0]) in text


def test_two_formats_that_share_a_column(read: Read) -> None:
    days = [datetime(2021, 3, 4) + timedelta(days=row) for row in range(ROWS)]
    texts = [day.strftime("%d.%m.%Y" if row % 3 else "%Y-%m-%d") for row, day in enumerate(days)]
    found, _, text = read(texts)
    assert found == moments(days)
    assert "134 rows are read as %Y-%m-%d" in text


def test_days_before_and_after_months_in_one_column_are_refused(read: Read) -> None:
    days = [datetime(2021, 3, 4) + timedelta(days=row) for row in range(ROWS)]
    texts = [day.strftime("%d/%m/%Y" if row % 3 else "%m/%d/%Y") for row, day in enumerate(days)]
    with pytest.raises(
        AssertionError, match=r"at is a date as %d/%m/%Y in .*% of its rows only, not as"
    ):
        read(texts)
    with pytest.raises(DefinitionError, match=r"is a date as %d/%m/%Y in .*% of its rows only"):
        read(texts, time="at")


def test_another_column_tells_day_from_month(tmp_path: Path) -> None:
    days = [datetime(2020, 1 + row % 12, 1 + row // 12 % 12) for row in range(ROWS)]
    later = [day + timedelta(days=17) for day in days]
    pl.DataFrame(
        {
            "ordered": [day.strftime("%m/%d/%Y") for day in days],
            "shipped": [day.strftime("%m/%d/%Y") for day in later],
            "y": ["a", "b"] * (ROWS // 2),
        }
    ).write_csv(tmp_path / "t.csv")
    _, text, _ = draft_definition("t.csv", "y", time="ordered", key=(), name=None, project=tmp_path)
    table = open_table(parse_definition(text, ""), tmp_path)
    assert table.rows.select(table.time).collect().to_series().to_list() == [
        day.replace(tzinfo=UTC) for day in days
    ]


def test_way_of_reading_is_written_down_for_the_next_file(read: Read) -> None:
    days = [datetime(2021, 1, 1) + timedelta(days=row) for row in range(ROWS)]
    _, definition, _ = read([day.strftime("%d/%m/%Y") for day in days])
    assert definition.sources["table"].types == {"at": "text"}
    assert "STRPTIME(at, '%d/%m/%Y')" in (definition.extract.query or "")


def test_times_of_1970_are_questioned(read: Read) -> None:
    misread = [
        datetime(1970, 1, 1) + timedelta(microseconds=1_600_000_000 + row) for row in range(ROWS)
    ]
    with pytest.raises(AssertionError, match="1970-01-01 to 1970-01-01: is its unit right"):
        read(misread, kind="parquet")


@pytest.mark.parametrize("write", ["{:,}", "{}", "NA", "{} "])
@pytest.mark.parametrize("unit", [1, 1000])
def test_numbers_since_1970_that_are_mended_first(read: Read, write: str, unit: int) -> None:
    numbers = [int(time.replace(tzinfo=UTC).timestamp()) * unit for time in TIMES]
    texts = [write.format(each) for each in numbers]
    if write == "NA":
        texts = ["NA" if row % 33 == 0 else str(each) for row, each in enumerate(numbers)]
    found, _, _ = read(texts, name="time")
    gone = range(0, ROWS, 33) if write == "NA" else ()
    right = moments(TIMES)
    assert found == {row: right[row] for place, row in enumerate(right) if place not in gone}
