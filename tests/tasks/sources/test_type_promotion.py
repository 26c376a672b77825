"""A column that its files hold in several types gets one that loses nothing, or is refused."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tables import read_source, scan_files

from tasks.core.errors import SourceError, SourceRefused

BIG, EXACT = 2**53 + 1, 2**53 - 1
NS = pl.Datetime("ns")
AT = datetime(2020, 1, 1, 12)
FINE = pl.Series([1_600_000_000_000_000_001], dtype=pl.Int64).cast(NS)
WHOLE = pl.Series([1_600_000_000_000_000_000], dtype=pl.Int64).cast(NS)
FAR = pl.Series([10**17], dtype=pl.Int64).cast(pl.Datetime("ms"))
DECIMAL = pl.Decimal(38, 2)


def write(folder: Path, *columns: pl.Series) -> str:
    for number, column in enumerate(columns):
        column.alias("c").to_frame().write_parquet(folder / f"{number}.parquet")
    return "*.parquet"


def series(value: object, dtype: Any) -> pl.Series:
    return pl.Series([value, None], dtype=dtype)


@pytest.mark.parametrize(
    ("one", "other", "dtype"),
    [
        (series(EXACT, pl.Int64), series(1.5, pl.Float64), pl.Float64),
        (series(-EXACT, pl.Int64), series(1.5, pl.Float32), pl.Float64),
        (series(2**31 - 1, pl.Int32), series(1.5, pl.Float32), pl.Float64),
        (series(2**63 - 1, pl.Int64), series(2**63 - 1, pl.UInt64), pl.Int64),
        (series(-1, pl.Int8), series(2**64 - 1, pl.UInt64), pl.Int128),
        (series(BIG, pl.Int64), series(7, pl.Int8), pl.Int64),
        (series(BIG, pl.Int64), series(Decimal("1.25"), DECIMAL), DECIMAL),
        (series(Decimal("1.25"), DECIMAL), series(0.1, pl.Float64), pl.Float64),
        (series(AT, pl.Datetime("ms")), series(AT, pl.Datetime("us")), pl.Datetime("us")),
        (WHOLE, series(AT, pl.Datetime("ms")), pl.Datetime("us")),
        (series(date(2020, 1, 1), pl.Date), series(AT, pl.Datetime("us")), pl.Datetime("us")),
        (series("a", pl.Categorical), series("b", pl.String), pl.String),
    ],
)
def test_values_that_fit_are_kept_to_the_last_digit(
    tmp_path: Path, one: pl.Series, other: pl.Series, dtype: pl.DataType
) -> None:
    for pair in ((one, other), (other, one)):
        found = read_source(tmp_path, write(tmp_path, *pair))["c"]
        assert found.dtype == dtype
        assert found.to_list() == [value for each in pair for value in each.cast(dtype)]


@pytest.mark.parametrize(
    ("one", "other", "named"),
    [
        (series(BIG, pl.Int64), series(1.0, pl.Float64), "Float64, but Int64"),
        (series(BIG, pl.Int64), series(1.0, pl.Float32), "Float32, but Int64"),
        (series(BIG, pl.UInt64), series(1.0, pl.Float64), "Float64, but UInt64"),
        (series(-BIG, pl.Int128), series(1.0, pl.Float64), "Float64, but Int128"),
        (series(Decimal("12345678901234567.89"), DECIMAL), series(1.0, pl.Float64), "Float64, but"),
        (FINE, series(AT, pl.Datetime("us")), "Datetime"),
        (FINE, series(date(2020, 1, 1), pl.Date), "D"),
        (FAR, series(AT, pl.Datetime("us")), "Datetime"),
    ],
)
def test_values_that_would_be_lost_are_refused_by_file_and_column(
    tmp_path: Path, one: pl.Series, other: pl.Series, named: str
) -> None:
    for pair in ((one, other), (other, one)):
        said = rf"\d.parquet: column 'c' is {named}.* in .*\d.parquet, and .* does not hold all"
        with pytest.raises(
            SourceRefused, match=said + ".*; write the column as one type"
        ) as raised:
            scan_files(tmp_path, write(tmp_path, *pair))
        assert raised.value.exit_code == 3


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (series(1, pl.Int64), series(True, pl.Boolean)),
        (series(1.5, pl.Float64), series(True, pl.Boolean)),
        (series(AT.replace(tzinfo=UTC), pl.Datetime("us", "UTC")), series(AT, pl.Datetime("us"))),
        (series(AT, pl.Datetime("us")), series(1, pl.Int64)),
        (series(1, pl.Int64), series("1", pl.String)),
    ],
)
def test_types_that_have_nothing_in_common_are_refused(
    tmp_path: Path, one: pl.Series, other: pl.Series
) -> None:
    with pytest.raises(SourceError, match=r"1.parquet: column 'c' is .*, but .* in .*0.parquet"):
        scan_files(tmp_path, write(tmp_path, one, other))


def test_types_that_are_given_round_only_what_they_say(tmp_path: Path) -> None:
    uri = write(tmp_path, series(BIG, pl.Int64), pl.Series([1.0, float("nan")]))
    assert read_source(tmp_path, uri, types={"c": "number"})["c"].to_list()[0] == float(BIG)
    assert read_source(tmp_path, uri, types={"c": "integer"})["c"].to_list() == [BIG, None, 1, None]
    with pytest.raises(
        SourceRefused, match=r"1.parquet: column 'c' is Float64, which reads as oth"
    ):
        scan_files(tmp_path, uri, types={"c": "text"})
    for odd in (series(1.5, pl.Float64), series(2.0**53, pl.Float64), series("1.5", DECIMAL)):
        write(tmp_path, series(BIG, pl.Int64), odd)
        with pytest.raises(SourceRefused, match=r"1.parquet: column 'c' is .* no whole number"):
            scan_files(tmp_path, uri, types={"c": "integer"})
