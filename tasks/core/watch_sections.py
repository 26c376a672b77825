"""The sections `[monitoring]` and `[notify]`: how closely a model is watched, and who hears of it.

Responsible for refusing an address that holds a secret: a definition is read by everybody, and its
text is kept with each version. Not responsible for looking (`tasks.monitoring`), nor for sending
(`tasks.notifications`).
"""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, Field

from tasks.core.data_sections import Section, Share
from tasks.core.durations import Period

_BLOCK = r"[a-z0-9]+(-[a-z0-9]+)*/[a-z0-9]+(-[a-z0-9]+)*"  # as Prefect names block documents
MEANT_BY_BLOCK = "a block on Prefect's server, as in slack-webhook/team"


def is_block(text: str) -> bool:
    """Tell whether a text is the name of a block document: its type and its own name.

    >>> is_block("slack-webhook/team"), is_block("slack://token-a/token-b")
    (True, False)
    """
    return re.fullmatch(_BLOCK, text) is not None


class Monitoring(Section):
    """How closely a served model is monitored, and how many false alarms that may cost."""

    window: Period = timedelta(days=7)
    """The time whose rows are judged together."""
    rows: int = Field(default=1000, ge=100)
    """The fewest rows to judge; with fewer in the window, the monitor waits for more."""
    false_alarms: float = Field(default=1.0, gt=0, le=90)
    """How many false alarms a quarter of a year may have."""
    new_rows: Share = 0.1
    """How many new labelled rows are worth a retrain, as a share of those trained on."""


def _check_blocks(value: object) -> object:
    """Refuse what names no block without repeating it: it may be an address with its secret."""
    if not isinstance(value, tuple):
        raise ValueError("must be a list of blocks on Prefect's server")
    for place, each in enumerate(value, start=1):
        if isinstance(each, str) and "://" in each:
            raise ValueError(
                f"entry {place} is an address, which may hold a secret; put it into the variable "
                "PERENNIAL_NOTIFY, or keep it in a block on Prefect's server and name that here, "
                "as in slack-webhook/team"
            )
        if not isinstance(each, str) or not is_block(each):
            raise ValueError(f"entry {place} is not the name of {MEANT_BY_BLOCK}")
    return value


class Notify(Section):
    """Who is told what needs a person, and how often again."""

    to: Annotated[tuple[str, ...], BeforeValidator(_check_blocks)] = ()
    """Blocks on Prefect's server, as in "slack-webhook/team"; no addresses: they hold secrets."""
    remind: Period = timedelta(days=1)
    """How often what waits for a decision is told again."""
