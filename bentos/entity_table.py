"""One feature table in memory: each entity's moments, and the values from each of them on.

Responsible for which moment counts for a row (the last one that is not later), and for reading a
row's time. Not responsible for files and requests.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from operator import itemgetter
from typing import Any

import polars as pl

from bentos.columns import Row
from tasks.core.columns import SINCE
from tasks.core.data_sections import FeatureTable

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
_HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class EntityTable:
    """One table: how a row names its entity, and what finds an entity's values at a moment.

    From `outlived` on, no event that the table knows of would still count.
    """

    name: str
    entity: tuple[str, ...]
    values: tuple[str, ...]
    place: Callable[[Row], Any]
    find: Callable[[Any, int | None], Row]
    nothing: Row
    as_of: int | None
    outlived: int | None


def hold_table(
    name: str,
    table: FeatureTable,
    wanted: Sequence[str],
    columns: Sequence[str],
    as_of: datetime | None,
    frame: pl.DataFrame,
) -> EntityTable:
    """Hold a frame's values as far as they are wanted; `columns` are those of a row."""
    values = [value for value in table.values if value in wanted]
    rows = frame.select(values).rows()
    keys, nothing = list_keys(frame, table.entity), (None,) * len(values)
    limit = None if as_of is None else microseconds(as_of)
    if limit is None:
        find = _find_plain(dict(zip(keys, rows, strict=True)), nothing)
    else:
        find = _find_known(frame[SINCE].to_physical().to_list(), keys, rows, limit, nothing)
    return EntityTable(
        name=name,
        entity=table.entity,
        values=tuple(values),
        place=_find_place([columns.index(column) for column in table.entity]),
        find=find,
        nothing=nothing,
        as_of=limit,
        outlived=None
        if limit is None or table.over is None
        else limit + (table.over - table.known_after) // MICROSECOND,
    )


def list_keys(frame: pl.DataFrame, entity: Sequence[str]) -> list[Any]:
    """Name each row's entity as `itemgetter` does: by a value, or by a tuple of several or none."""
    if not entity:
        return [()] * len(frame)
    return frame[entity[0]].to_list() if len(entity) == 1 else frame.select(entity).rows()


def _find_place(places: Sequence[int]) -> Callable[[Row], Any]:
    return itemgetter(*places) if places else lambda row: ()


def _find_plain(held: dict[Any, Row], nothing: Row) -> Callable[[Any, int | None], Row]:
    get = held.get
    return lambda key, at: get(key, nothing)


def _find_known(
    since: list[int], keys: list[Any], rows: list[Row], as_of: int, nothing: Row
) -> Callable[[Any, int | None], Row]:
    """Find the values known at a moment; of what is later than as-of nothing is known yet."""
    held: dict[Any, tuple[list[int], list[Row]]] = {}
    for key, moment, known in zip(keys, since, rows, strict=True):
        moments, values = held.setdefault(key, ([], []))
        moments.append(moment)
        values.append(known)
    get = held.get

    def find(key: Any, at: int | None) -> Row:
        found = get(key)
        if found is None or at is None:
            return nothing
        moments, values = found
        place = bisect_right(moments, at if at < as_of else as_of)
        return values[place - 1] if place else nothing

    return find


def read_moment(zone: tzinfo, value: date | None) -> int | None:
    """Read a row's time as `timestamps.utc_time` reads a column."""
    if value is None:
        return None
    if isinstance(value, datetime) and value.tzinfo is not None:
        since = value - EPOCH
        return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    return _local(value, zone)


def _local(value: date, zone: tzinfo) -> int | None:
    """Read a time without a zone, or a day: local times that clocks skip are missing."""
    if isinstance(value, datetime):
        tried = [value]
    else:  # some days begin at one in the morning
        day = datetime(value.year, value.month, value.day)
        tried = [day, day + _HOUR]
    for wanted in tried:
        local = wanted.replace(tzinfo=zone)
        moment = local.astimezone(UTC)
        if moment.astimezone(zone).replace(tzinfo=None) == wanted:
            return microseconds(moment)
    return None


def microseconds(moment: datetime) -> int:
    return (moment - EPOCH) // MICROSECOND
