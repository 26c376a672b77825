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
    """One table: each entity's moments, in order, and the values from each of them on."""

    name: str
    entities: dict[Any, tuple[list[int], list[Row]]]
    place: Callable[[Row], Any]
    nothing: Row
    as_of: int | None

    def find(self, row: Row, at: int | None) -> Row:
        """Give the values known at a moment; later than the table's as-of nothing is known yet."""
        found = self.entities.get(self.place(row))
        if found is None:
            return self.nothing
        moments, values = found
        if self.as_of is None:
            return values[0]
        if at is None:
            return self.nothing
        place = bisect_right(moments, at if at < self.as_of else self.as_of)
        return values[place - 1] if place else self.nothing


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
        self._moment = _moment_of(definition, names)
        since = [listing.tables[held.name].since for held in self._held]
        self._since = max((_microseconds(each) for each in since if each), default=_NEVER)
        self._time = definition.extract.time
        known = [f"{each:%Y-%m-%d %H:%M}" for each in since if each]
        self._too_old = f"is before {max(known, default='')} UTC, which feature tables go back to"

    def fill(self, rows: Sequence[Row]) -> list[Row]:
        """Put the values that were known at each row's time behind what it was sent with."""
        filled, missed = [], []
        for row in rows:
            at = self._moment(row)
            found: Row = ()
            if at is not None and at < self._since:
                raise Refused(400, self._too_old, self._time)
            for held in self._held:
                values = held.find(row, at)
                if values is held.nothing:
                    missed.append(held.name)
                found += values
            filled.append(row + (self._order(found) if self._order else found))
        if missed:
            with self._lock:
                self.missed.update(missed)
        return filled

    def ages(self, now: datetime) -> dict[str, float]:
        """Tell for how many seconds each table has known of nothing new."""
        return {
            held.name: now.timestamp() - held.as_of / 1e6
            for held in self._held
            if held.as_of is not None
        }

    def fill_frame(self, frame: pl.DataFrame) -> pl.DataFrame:
        width = len(frame.columns)
        found = [row[width:] for row in self.fill(frame.rows())]
        columns = zip(self.values, zip(*found, strict=True), strict=True)
        return frame.with_columns(pl.Series(each.name, v, dtype=each.dtype) for each, v in columns)


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
    entity = frame.select(table.entity)
    keys = entity.to_series().to_list() if len(table.entity) == 1 else entity.rows()
    since = frame[SINCE].to_physical().to_list() if table.time else [0] * len(frame)
    entities: dict[Any, tuple[list[int], list[Row]]] = {}
    for key, moment, known in zip(keys, since, frame.select(values).rows(), strict=True):
        moments, held = entities.setdefault(key, ([], []))
        moments.append(moment)
        held.append(known)
    return Held(
        name=name,
        entities=entities,
        place=itemgetter(*(names.index(column) for column in table.entity)),
        nothing=(None,) * len(values),
        as_of=_microseconds(as_of) if as_of is not None else None,
    )


def _moment_of(definition: Definition, names: Sequence[str]) -> Callable[[Row], int | None]:
    """Give the function that reads a row's time, as `moments.moment_of` reads a column."""
    name, zone = definition.extract.time, ZoneInfo(definition.extract.time_zone)
    if name not in names:
        return lambda row: None
    place = names.index(name)

    def moment(row: Row) -> int | None:
        value = row[place]
        if value is None:
            return None
        if isinstance(value, datetime) and value.tzinfo is not None:
            return (value - _EPOCH) // _MICROSECOND
        return _local(value, zone)

    return moment


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
