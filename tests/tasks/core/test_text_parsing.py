"""Text parsed as times, durations and booleans; another form is null."""

from datetime import UTC, datetime, time, timedelta

import polars as pl

from tasks.core.text_parsing import guess_times, read_plain, read_times


def test_iso_times_are_read_with_a_zone_only_where_one_is_wanted() -> None:
    text = pl.Series(["2013-10-01", "2013-10-01 06:30", "2013-10-01T06:30:00.5Z", "1.10.2013"])
    local = read_times(text, pl.Datetime("us"), zoned=False).to_list()
    assert local == [datetime(2013, 10, 1), datetime(2013, 10, 1, 6, 30), None, None]
    zoned = read_times(text, pl.Datetime("us", "UTC"), zoned=True).to_list()
    assert zoned == [None, None, datetime(2013, 10, 1, 6, 30, 0, 500_000, tzinfo=UTC), None]


def test_fractions_that_a_unit_cannot_hold_are_null() -> None:
    text = pl.Series(["2013-10-01T06:30:00.123", "2013-10-01T06:30:00.1234"])
    assert read_times(text, pl.Datetime("ms"), zoned=False).is_null().to_list() == [False, True]


def test_time_beyond_nanoseconds_is_null_rather_than_another_time() -> None:
    text = pl.Series(["2013-10-01", "9999-01-01"])
    assert read_times(text, pl.Datetime("ns"), zoned=False).is_null().to_list() == [False, True]


def test_day_first_is_guessed_as_polars_does() -> None:
    found = guess_times(pl.Series(["31/12/2013", "01/02/2014"]), pl.Datetime("us"))
    assert found.to_list() == [datetime(2013, 12, 31), datetime(2014, 2, 1)]
    assert guess_times(pl.Series(["soon"]), pl.Datetime("us")).to_list() == [None]


def test_plain_words_are_read() -> None:
    assert read_plain(pl.Series(["True", "no"]), pl.Boolean()).to_list() == [True, None]
    assert read_plain(pl.Series(["07:30", "7"]), pl.Time()).to_list() == [time(7, 30), None]
    found = read_plain(pl.Series(["PT90M", "soon"]), pl.Duration("us")).to_list()
    assert found == [timedelta(minutes=90), None]
