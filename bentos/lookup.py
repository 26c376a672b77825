"""Looking up: what a row's entities have lived through or are, from materialised feature tables.

Owns the tables in memory and which moment counts for a row. Refuses to change them: other tables
are another Lookup, put in its place as a whole.
"""

import threading
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from bentos.columns import Column
from bentos.refusals import Refused
from tasks.definition import Definition, FeatureTable
from tasks.errors import StoreError
from tasks.materialised import LISTING, Listing, find_materialised, read_table
from tasks.registry import read_file
from tasks.store import Store
from tasks.tables import SINCE, tables_digest, used_tables

Row = tuple[Any, ...]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_HOUR = timedelta(hours=1)
_NEVER = -(2**63)


@dataclass(frozen=True)
class Held:
    """One table: how a row names its entity, and what finds an entity's values at a moment."""

    name: str
    entity: tuple[str, ...]
    values: tuple[str, ...]
    place: Callable[[Row], Any]
    find: Callable[[Any, int | None], Row]
    nothing: Row
    as_of: int | None


class Lookup:
    """All tables that one model's features need."""

    def __init__(
        self,
        definition: Definition,
        columns: Sequence[Column],
        values: Sequence[Column],
        listing: Listing,
        read: Callable[[str], pl.DataFrame],
    ) -> None:
        if listing.digest != tables_digest(definition):
            raise StoreError(f"{definition.name}: these feature tables are of another definition")
        self.listing = listing
        self.missed: Counter[str] = Counter()
        self._lock = threading.Lock()
        names = [column.name for column in columns]
        self.values = tuple(values)
        wanted = [column.name for column in values]
        self._held = []
        order: list[str] = []
        for name, table in used_tables(definition, wanted).items():
            kept = [value for value in table.values if value in wanted]
            as_of = listing.tables[name].as_of
            self._held.append(_hold(name, table, kept, names, as_of, read(name)))
            order += kept
        self._order = itemgetter(*map(order.index, wanted)) if order != wanted else None
        self._steps = [(each.place, each.find, each.nothing, each.name) for each in self._held]
        self._time = definition.extract.time or ""
        self._timed = self._time in names
        self._place = names.index(self._time) if self._timed else 0
        self._moment = partial(read_moment, ZoneInfo(definition.extract.time_zone))
        since = [listing.tables[each.name].since for each in self._held]
        self._since = max((_microseconds(each) for each in since if each), default=_NEVER)

    def fill(self, rows: Sequence[Row]) -> list[Row]:
        """Put the values that were known at each row's time behind what it was sent with."""
        filled, missed, moment = [], [], self._moment
        for row in rows:
            at = moment(row[self._place]) if self._timed else None
            if at is not None and at < self._since:
                raise self._too_old()
            found: Row = ()
            for place, find, nothing, name in self._steps:
                values = find(place(row), at)
                if values is nothing:
                    missed.append(name)
                found += values
            filled.append(row + (self._order(found) if self._order else found))
        self._count(missed)
        return filled

    def fill_frame(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Do the same for a frame, column by column."""
        moments: list[int | None] = [None] * len(frame)
        if self._timed:
            moments = list(map(self._moment, frame[self._time]))
        if min((at for at in moments if at is not None), default=self._since) < self._since:
            raise self._too_old()
        columns: dict[str, Sequence[Any]] = {}
        for held in self._held:
            keys = _list_keys(frame, held.entity)
            found = [held.find(key, at) for key, at in zip(keys, moments, strict=True)]
            self._count([held.name] * sum(values is held.nothing for values in found))
            columns |= dict(zip(held.values, zip(*found, strict=True), strict=True))
        return frame.with_columns(
            pl.Series(each.name, columns[each.name], dtype=each.dtype) for each in self.values
        )

    def _count(self, missed: Sequence[str]) -> None:
        if missed:
            with self._lock:
                self.missed.update(missed)

    def _too_old(self) -> Refused:
        since = _EPOCH + self._since * _MICROSECOND
        said = f"is before {since:%Y-%m-%d %H:%M} UTC, which feature tables go back to"
        return Refused(400, said, self._time)

    def ages(self, now: datetime) -> dict[str, float]:
        """Tell for how many seconds each table has known of nothing new."""
        return {
            held.name: now.timestamp() - held.as_of / 1e6
            for held in self._held
            if held.as_of is not None
        }


def load_lookup(
    definition: Definition,
    columns: Sequence[Column],
    values: Sequence[Column],
    store: Store | None,
    folder: Path | None,
) -> Lookup:
    """Load the tables of a folder, or the newest of the root; without any, nobody is answered."""
    if folder is not None:
        listing = Listing.model_validate_json((folder / LISTING).read_bytes())
        return Lookup(
            definition,
            columns,
            values,
            listing,
            lambda name: read_table((folder / f"{name}.parquet").read_bytes()),
        )
    found = None if store is None else find_materialised(store, definition)
    if store is None or found is None:
        where = "PERENNIAL_ROOT is not set" if store is None else f"{store.root} holds none of them"
        raise StoreError(
            f"{definition.name}: its features need feature tables, and {where}; "
            f"run `perennial materialise {definition.name}`"
        )
    listing = Listing.model_validate_json(read_file(store, found, LISTING))
    return Lookup(
        definition,
        columns,
        values,
        listing,
        lambda name: read_table(read_file(store, found, f"{name}.parquet")),
    )


def _hold(
    name: str,
    table: FeatureTable,
    values: Sequence[str],
    names: Sequence[str],
    as_of: datetime | None,
    frame: pl.DataFrame,
) -> Held:
    rows = frame.select(values).rows()
    keys, nothing = _list_keys(frame, table.entity), (None,) * len(values)
    limit = None if as_of is None else _microseconds(as_of)
    if limit is None:
        find = _find_plain(dict(zip(keys, rows, strict=True)), nothing)
    else:
        find = _find_known(frame[SINCE].to_physical().to_list(), keys, rows, limit, nothing)
    return Held(
        name=name,
        entity=table.entity,
        values=tuple(values),
        place=itemgetter(*(names.index(column) for column in table.entity)),
        find=find,
        nothing=nothing,
        as_of=limit,
    )


def _list_keys(frame: pl.DataFrame, entity: Sequence[str]) -> list[Any]:
    """Name each row's entity as `itemgetter` does: by a value, or by a tuple of several."""
    return frame[entity[0]].to_list() if len(entity) == 1 else frame.select(entity).rows()


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


def read_moment(zone: ZoneInfo, value: date | None) -> int | None:
    """Read a row's time as `moments.moment_of` reads a column."""
    if value is None:
        return None
    if isinstance(value, datetime) and value.tzinfo is not None:
        since = value - _EPOCH
        return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    return _local(value, zone)


def _local(value: date, zone: ZoneInfo) -> int | None:
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
            return _microseconds(moment)
    return None


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND
