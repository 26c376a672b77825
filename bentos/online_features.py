"""Looking up: what a row's entities have lived through or are, from materialised feature tables.

Owns which tables a model's features need, and where they are read from. Refuses to change them:
other tables are another Lookup, put in its place as a whole.
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

from bentos.columns import Column
from bentos.entity_table import EPOCH, MICROSECOND, Row, hold, list_keys, microseconds, read_moment
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
        self._lock = threading.Lock()
        names = [column.name for column in columns]
        self.values = tuple(values)
        wanted = [column.name for column in values]
        self._held = []
        order: list[str] = []
        for name, table in used_tables(definition, wanted).items():
            kept = [value for value in table.values if value in wanted]
            as_of = listing.tables[name].as_of
            self._held.append(hold(name, table, kept, names, as_of, read(name)))
            order += kept
        self._order = itemgetter(*map(order.index, wanted)) if order != wanted else None
        self._steps = [(each.place, each.find, each.nothing, each.name) for each in self._held]
        self._time = definition.extract.time or ""
        self._timed = self._time in names
        self._place = names.index(self._time) if self._timed else 0
        self._moment = partial(read_moment, read_zone(definition.extract.time_zone))
        since = [listing.tables[each.name].since for each in self._held]
        self._since = max((microseconds(each) for each in since if each), default=_NEVER)
        lives = [held.outlived for held in self._held if held.outlived is not None]
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
        for held in self._held:
            keys = list_keys(frame, held.entity)
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

    def _count_outlived(self, late: Sequence[int]) -> None:
        """Count rows of a time at which no event that a table knows of would still count."""
        with self._lock:
            for held in self._held if late else ():
                if held.outlived is not None:
                    self.outlived[held.name] += sum(at >= held.outlived for at in late)

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
) -> OnlineFeatures:
    """Load the tables of a folder, or the newest of the root; without any, nobody is answered."""
    if folder is not None:
        listing = Listing.model_validate_json((folder / LISTING).read_bytes())
        return OnlineFeatures(
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
    return OnlineFeatures(
        definition,
        columns,
        values,
        listing,
        lambda name: read_table(read_file(store, found, f"{name}.parquet")),
    )


def read_zone(name: str) -> tzinfo:
    """Find a time zone; UTC needs no database of them, which a small container may lack."""
    return UTC if name == "UTC" else ZoneInfo(name)
