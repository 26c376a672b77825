"""Online features: the values of a row's entities, looked up in materialised feature tables.

Responsible for which tables a model's features need, and where they are read from. They never
change: newer tables are another `OnlineFeatures`, put in its place as a whole.
"""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, tzinfo
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from bentos.columns import Column, Row
from bentos.entity_table import (
    EPOCH,
    MICROSECOND,
    EntityTable,
    hold_table,
    list_keys,
    microseconds,
    read_moment,
)
from bentos.errors import RequestRefused
from tasks.core.definition import Definition
from tasks.core.errors import StoreError
from tasks.feature_store.online_tables import LISTING, Listing, find_materialised, read_table
from tasks.features.feature_tables import tables_digest, used_tables
from tasks.registry.versions import read_file
from tasks.storage.store import Store

_NEVER = -(2**63)


class OnlineFeatures:
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
        self.outlived: Counter[str] = Counter()
        self.values = tuple(values)
        self._lock = threading.Lock()
        names, wanted = ([each.name for each in group] for group in (columns, values))
        self._tables = [
            hold_table(name, table, wanted, names, listing.tables[name].as_of, read(name))
            for name, table in used_tables(definition, wanted).items()
        ]
        self._order = find_order(self._tables, wanted)
        self._steps = [(each.place, each.find, each.nothing, each.name) for each in self._tables]
        self._time = definition.extract.time or ""
        self._timed = self._time in names
        self._place = names.index(self._time) if self._timed else 0
        self._moment = partial(read_moment, read_zone(definition.extract.time_zone))
        since = [listing.tables[each.name].since for each in self._tables]
        self._since = max((microseconds(each) for each in since if each), default=_NEVER)
        lives = [each.outlived for each in self._tables if each.outlived is not None]
        self._soonest = min(lives, default=-_NEVER)

    def fill(self, rows: Sequence[Row]) -> list[Row]:
        """Put the values that were known at each row's time behind what it was sent with."""
        filled, missed, moment = [], [], self._moment
        for row in rows:
            at = moment(row[self._place]) if self._timed else None
            if at is not None and at < self._since:
                raise self._too_old()
            if at is not None and at >= self._soonest:
                self._count_outlived([at])
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
        self._count_outlived([at for at in moments if at is not None and at >= self._soonest])
        columns: dict[str, Sequence[Any]] = {}
        for table in self._tables:
            keys = list_keys(frame, table.entity)
            found = [table.find(key, at) for key, at in zip(keys, moments, strict=True)]
            self._count([table.name] * sum(values is table.nothing for values in found))
            columns |= dict(zip(table.values, zip(*found, strict=True), strict=True))
        return frame.with_columns(
            pl.Series(each.name, columns[each.name], dtype=each.dtype) for each in self.values
        )

    def _count(self, missed: Sequence[str]) -> None:
        if missed:
            with self._lock:
                self.missed.update(missed)

    def _count_outlived(self, late: Sequence[int]) -> None:
        """Count rows of a time at which no event that a table knows of would still count."""
        with self._lock:
            for table in self._tables if late else ():
                if table.outlived is not None:
                    self.outlived[table.name] += sum(at >= table.outlived for at in late)

    def _too_old(self) -> RequestRefused:
        since = EPOCH + self._since * MICROSECOND
        said = (
            f"is before {since:%Y-%m-%d %H:%M} UTC, which feature tables go back to; score older "
            "rows with `perennial score`"
        )
        return RequestRefused(400, said, self._time)

    def ages(self, now: datetime) -> dict[str, float]:
        """Tell for how many seconds each table has known of nothing new."""
        return {
            table.name: now.timestamp() - table.as_of / 1e6
            for table in self._tables
            if table.as_of is not None
        }


def find_order(tables: Sequence[EntityTable], wanted: Sequence[str]) -> Callable[[Row], Row] | None:
    """Give what puts values in the order wanted; None where table by table they are in it."""
    found = [value for table in tables for value in table.values]
    return itemgetter(*map(found.index, wanted)) if found != list(wanted) else None


def load_lookup(
    definition: Definition,
    columns: Sequence[Column],
    values: Sequence[Column],
    store: Store | None,
    folder: Path | None,
) -> OnlineFeatures:
    """Load the tables of a folder, or the newest of the root; StoreError where there are none."""
    read = find_tables(definition, store, folder)
    listing = Listing.model_validate_json(read(LISTING))
    return OnlineFeatures(
        definition, columns, values, listing, lambda name: read_table(read(f"{name}.parquet"))
    )


def find_tables(
    definition: Definition, store: Store | None, folder: Path | None
) -> Callable[[str], bytes]:
    """Give what reads a file of these tables by its name."""
    if folder is not None:
        return lambda file: (folder / file).read_bytes()
    found = None if store is None else find_materialised(store, definition)
    if store is None or found is None:
        where = "PERENNIAL_ROOT is not set" if store is None else f"{store.root} holds none of them"
        raise StoreError(
            f"{definition.name}: its features need feature tables, and {where}; "
            f"run `perennial materialise {definition.name}`"
        )
    return partial(read_file, store, found)


def read_zone(name: str) -> tzinfo:
    """Find a time zone; UTC needs no database of them, which a small container may lack.

    >>> read_zone("UTC")
    datetime.timezone.utc
    """
    return UTC if name == "UTC" else ZoneInfo(name)
