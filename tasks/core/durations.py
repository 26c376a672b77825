"""Durations as a definition writes them: a number and m, h, d or w, as in `180d`.

Responsible for how they are parsed and how long they may be.
"""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_LONGEST = timedelta(days=36_500)  # beyond it, a time minus a duration may have no date


def parse_duration(value: object) -> timedelta:
    """Parse `30m`, `6h`, `180d` or `2w`; ValueError for other text, or for more than 100 years.

    >>> parse_duration("2w")
    datetime.timedelta(days=14)
    """
    if isinstance(value, timedelta):
        return value
    found = re.fullmatch(r"(\d{1,7})([mhdw])", value.strip()) if isinstance(value, str) else None
    if found is None:
        raise ValueError("must be a number and m, h, d or w, as in '180d'")
    duration = timedelta(**{_UNITS[found[2]]: int(found[1])})
    if duration > _LONGEST:
        raise ValueError("must be 100 years at most")
    return duration


def _parse_period(value: object) -> timedelta:
    if not (period := parse_duration(value)):
        raise ValueError("must be longer than nothing")
    return period


def _parse_share_or_period(value: object) -> timedelta | float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return _parse_period(value)
    if not 0.01 <= value <= 0.9:
        raise ValueError("must be a share between 0.01 and 0.9, or a duration as in '30d'")
    return value


_SPAN = {"type": "string", "pattern": r"^\s*[0-9]{1,7}[mhdw]\s*$"}
_LONGER = {"type": "string", "pattern": r"^\s*(?=[0-9]{1,7}[mhdw])0*[1-9][0-9]*[mhdw]\s*$"}
_SHARE = {"type": "number", "minimum": 0.01, "maximum": 0.9}
Duration = Annotated[timedelta, BeforeValidator(parse_duration), WithJsonSchema(_SPAN)]
Period = Annotated[timedelta, BeforeValidator(_parse_period), WithJsonSchema(_LONGER)]
ShareOrPeriod = Annotated[
    timedelta | float,
    BeforeValidator(_parse_share_or_period),
    WithJsonSchema({"anyOf": [_SHARE, _LONGER]}),
]


def write_duration(duration: timedelta) -> str:
    """Write a duration as a definition does, in the largest unit that is whole.

    >>> write_duration(timedelta(days=90)), write_duration(timedelta(0))
    ('90d', '0m')
    """
    for letter in "dh":
        count, rest = divmod(duration, timedelta(**{_UNITS[letter]: 1}))
        if count and not rest:
            return f"{count}{letter}"
    return f"{duration // timedelta(minutes=1)}m"
