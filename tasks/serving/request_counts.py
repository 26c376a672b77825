"""Request counts: what a service counted, hour by hour, as it leaves it for the monitor.

Responsible for their form and place: `monitoring/NAME/service/DATE/HOUR-SERVER.json`, each server
writing over its own. Not responsible for serving and counting.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Literal

from pydantic import ValidationError

from tasks.core.definition import Frozen
from tasks.storage.store import Store, reaching


class Counters(Frozen):
    """One server's hour. `responses` are by endpoint and status, as in `/predict 200`.

    `answers` count evaluations by how long they took, up to each of `bounds` in seconds and, last,
    longer than all of them.
    """

    server: str
    hour: datetime
    versions: tuple[str, ...] = ()
    rows: int = 0
    responses: dict[str, int]
    dropped: dict[str, int]
    bounds: tuple[float, ...]
    answers: tuple[int, ...]


def write_counters(store: Store, model: str, counters: Counters) -> None:
    store.replace(_path(model, counters), counters.model_dump_json().encode())


def read_counters(
    store: Store, model: str, since: datetime, until: datetime
) -> tuple[list[Counters], list[str]]:
    """Read what every server counted between two times, and name files that cannot be read."""
    with reaching(store.root):
        days = [
            day
            for day in store.children(f"monitoring/{model}/service")
            if f"{since:%Y-%m-%d}" <= day <= f"{until:%Y-%m-%d}"
        ]
        paths = [
            f"monitoring/{model}/service/{day}/{name}"
            for day in days
            for name in store.children(f"monitoring/{model}/service/{day}")
        ]
        found = store.read_many(paths)
    counted, damaged = [], []
    for path, data in found.items():
        try:
            counters = Counters.model_validate_json(data)
        except ValidationError:
            damaged.append(path)
            continue
        if since - timedelta(hours=1) < counters.hour <= until:
            counted.append(counters)
    return counted, damaged


def add_up(counted: Iterable[Counters]) -> Counters | None:
    """Put hours and servers together; None where there are none, or their bounds differ."""
    total: Counters | None = None
    for each in sorted(counted, key=lambda each: (each.hour, each.server)):
        if total is None:
            total = each
        elif total.bounds == each.bounds:
            total = combine(total, each, 1).model_copy(update={"server": "", "hour": each.hour})
    return total


def combine(one: Counters, other: Counters, sign: Literal[1, -1]) -> Counters:
    """Add other counts to these, or subtract them; server and hour stay."""

    def put(counts: dict[str, int], more: dict[str, int]) -> dict[str, int]:
        return {k: counts.get(k, 0) + sign * more.get(k, 0) for k in sorted(counts | more)}

    return one.model_copy(
        update={
            "versions": tuple(dict.fromkeys(one.versions + other.versions)),
            "rows": one.rows + sign * other.rows,
            "responses": put(one.responses, other.responses),
            "dropped": put(one.dropped, other.dropped),
            "answers": tuple(a + sign * b for a, b in zip(one.answers, other.answers, strict=True)),
        }
    )


def quantile(counters: Counters, share: float) -> float | None:
    """Give the bound in seconds under which a share (0 to 1) of the answers came.

    None where that is beyond the last bound, or nothing was answered.

    >>> at = datetime(2020, 1, 1)
    >>> counts = {"responses": {}, "dropped": {}, "bounds": (0.1, 1.0), "answers": (98, 1, 1)}
    >>> hour = Counters(server="a", hour=at, **counts)
    >>> quantile(hour, 0.5), quantile(hour, 0.99), quantile(hour, 0.999)
    (0.1, 1.0, None)
    """
    wanted, seen = share * sum(counters.answers), 0
    for bound, count in zip(counters.bounds, counters.answers, strict=False):
        seen += count
        if seen and seen >= wanted:
            return bound
    return None


def _path(model: str, counters: Counters) -> str:
    at = counters.hour
    return f"monitoring/{model}/service/{at:%Y-%m-%d}/{at:%H}-{counters.server}.json"
