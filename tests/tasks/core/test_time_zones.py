"""A time without a zone is in UTC, wherever a person gives one."""

from datetime import UTC, datetime, timedelta, timezone

from tasks.core.time_zones import in_utc


def test_a_time_without_a_zone_is_in_utc_and_another_keeps_its_own() -> None:
    assert in_utc(datetime(2013, 10, 1)) == datetime(2013, 10, 1, tzinfo=UTC)
    east = datetime(2013, 10, 1, tzinfo=timezone(timedelta(hours=2)))
    assert in_utc(east) is east
