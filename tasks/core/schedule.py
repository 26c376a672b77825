"""The definition's section [schedule]: when a model is retrained, monitored and materialised.

Responsible for what a time may look like: cron, or "never". Not responsible for acting on it:
`flows.prefect_file` writes it where Prefect reads it.
"""

import re
from collections.abc import Iterator
from typing import Annotated
from zoneinfo import available_timezones

from pydantic import AfterValidator

from tasks.core.data_sections import Section
from tasks.core.errors import DefinitionError, nearest

NEVER = "never"
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
_FIELDS: tuple[tuple[str, int, int, list[str]], ...] = (
    ("minute", 0, 59, []),
    ("hour", 0, 23, []),
    ("day", 1, 31, []),
    ("month", 1, 12, ["", *_MONTHS]),
    ("weekday", 0, 7, _DAYS),
)


def check_cron(value: str) -> str:
    """Return a cron expression in single spaces; ValueError says which of its fields is wrong.

    >>> check_cron("*/15  8-18 * * mon-fri"), check_cron("never")
    ('*/15 8-18 * * mon-fri', 'never')
    """
    words = value.split()
    if words == [NEVER]:
        return NEVER
    if len(words) != len(_FIELDS):
        fields = " ".join(name for name, *_ in _FIELDS)
        raise ValueError(f"must be cron ({fields}), as in '0 4 * * 1', or '{NEVER}'")
    for word, (name, low, high, known) in zip(words, _FIELDS, strict=True):
        if not all(_fits(part, low, high, known) for part in word.lower().split(",")):
            raise ValueError(f"the {name} {word!r} must be of {low} to {high}, as in cron")
    return " ".join(words)


def _fits(part: str, low: int, high: int, names: list[str]) -> bool:
    """Tell whether a part is a value, a range or `*`, each with a step or without."""
    found = re.fullmatch(r"(\*|\w+)(?:-(\w+))?(?:/([1-9]\d{0,2}))?", part, re.ASCII)
    if found is None or (found[1] == "*" and found[2]):
        return False
    ends = [_number(word, names) for word in (found[1], found[2]) if word and word != "*"]
    return all(low <= end <= high for end in ends) and ends == sorted(ends)


def _number(word: str, names: list[str]) -> int:
    if word in names:
        return names.index(word)
    return int(word) if len(word) < 3 and word.isdecimal() else -1


Cron = Annotated[str, AfterValidator(check_cron)]


class Schedule(Section):
    """When a model's flows run by themselves, in its zone's time; "never" is not at all."""

    retrain: Cron = "0 4 * * 1"
    """When it is retrained: cron, or "never"."""
    monitor: Cron = "*/15 * * * *"
    """When the monitor looks: cron, or "never"."""
    materialise: Cron = "5,35 * * * *"
    """When its feature tables are made anew, for a model with [tables]: cron, or "never"."""
    time_zone: str = "UTC"
    """In whose own time these are, as in "Europe/Berlin"."""

    def times(self) -> Iterator[tuple[str, str]]:
        """Give each flow that has a time, and its cron expression."""
        for flow in ("retrain", "monitor", "materialise"):
            if (cron := getattr(self, flow)) != NEVER:
                yield flow, cron


def check_zone(schedule: Schedule) -> None:
    """Raise DefinitionError for a time zone that this machine does not know, with the nearest.

    A service reads the same definition where there may be no list of time zones, and needs none.
    """
    known, zone = available_timezones() | {"UTC"}, schedule.time_zone
    if zone not in known:
        near = nearest(zone, known, "write it as in 'Europe/Berlin'")
        raise DefinitionError(f"[schedule] time_zone: there is no {zone!r}; {near}")
