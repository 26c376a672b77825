"""Time zones: a time that people give without one is in UTC."""

from datetime import UTC, datetime


def in_utc(moment: datetime) -> datetime:
    """Take a time without a zone as UTC; one that has a zone stays as it is.

    >>> in_utc(datetime(2013, 10, 1)).isoformat()
    '2013-10-01T00:00:00+00:00'
    """
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
