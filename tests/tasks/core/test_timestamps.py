"""Times in UTC: zones, and the hours that clocks skip or repeat."""

from datetime import UTC, date, datetime

import polars as pl
import pytest

from tasks.core.errors import DefinitionError
from tasks.core.timestamps import utc_time


def in_utc(values: list[object], zone: str) -> list[datetime | None]:
    table = pl.DataFrame({"t": values})
    return table.select(utc_time("t", table.schema, zone, "[extract] time")).to_series().to_list()


def test_skipped_time_is_null_and_of_a_repeated_one_the_first_is_taken() -> None:
    skipped, repeated = datetime(2024, 3, 31, 2, 30), datetime(2024, 10, 27, 2, 30)
    assert in_utc([skipped, repeated], "Europe/Berlin") == [
        None,
        datetime(2024, 10, 27, 0, 30, tzinfo=UTC),
    ]


def test_day_that_begins_at_one_is_not_lost() -> None:
    assert in_utc([date(2018, 11, 4)], "America/Sao_Paulo") == [
        datetime(2018, 11, 4, 3, tzinfo=UTC)
    ]


def test_time_with_a_zone_keeps_its_own() -> None:
    noon = datetime(2024, 7, 1, 12, tzinfo=UTC)
    assert in_utc([noon], "Europe/Berlin") == [noon]


@pytest.mark.parametrize(
    ("values", "zone", "said"),
    [
        ([1], "UTC", r"column 't' is Int64, not a date or time; .* \* 1000000 AS TIMESTAMP"),
        (["2013"], "UTC", "column 't' is String.*STRPTIME"),
        ([datetime(2024, 1, 1)], "Europe/Berln", "there is no zone.*'Europe/Berlin'"),
    ],
)
def test_column_or_zone_that_cannot_be_is_refused(
    values: list[object], zone: str, said: str
) -> None:
    with pytest.raises(DefinitionError, match=said):
        in_utc(values, zone)
