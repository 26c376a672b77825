"""Online tables: materialised feature tables under the root, for a running service to look up.

`tables/NAME/DIGEST/VERSION/` holds a Parquet file for each table and `tables.json`, immutable, with
a manifest; DIGEST names how the definition makes them, so that a service never reads those of
another. Responsible for which moments are kept and which version is the newest, not for computing
values.
"""

import logging
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from io import BytesIO
from pathlib import Path

import polars as pl

from tasks.core.columns import SINCE
from tasks.core.definition import Definition, Frozen
from tasks.features.feature_tables import tables_digest
from tasks.features.point_in_time_join import keep_last
from tasks.registry.versions import Published, find_all, read_file
from tasks.storage.store import Store, reaching

log = logging.getLogger("perennial.tables")

LISTING = "tables.json"
KEPT = timedelta(days=2)  # of moments before as-of: rows that are a little old get what they knew
_VERSIONS = 3


class Listed(Frozen):
    """One table: how many entities it knows, and of which time.

    A row that is later than `as_of` gets the values as of then, and one before `since` is refused;
    None for what has no time.
    """

    as_of: datetime | None
    since: datetime | None = None
    entities: int
    rows: int


class Listing(Frozen):
    """All tables of one version. `sources` are digests of what they were made from."""

    digest: str
    made_at: datetime
    sources: dict[str, str]
    tables: dict[str, Listed]


def tables_path(definition: Definition) -> str:
    return f"tables/{definition.name}/{tables_digest(definition)[:16]}"


def list_materialised(store: Store, definition: Definition) -> list[str]:
    """List the versions that may exist; a look is one listing, for a service that follows them."""
    with reaching(store.root):
        return store.children(tables_path(definition))


def find_materialised(store: Store, definition: Definition) -> Published | None:
    """Find the version that knows most, or of those the one that was made last."""
    path = tables_path(definition)
    names = list_materialised(store, definition)
    found = find_all(store, [f"{path}/{name}" for name in names]).values()
    return max(found, key=lambda each: each.age, default=None)


def read_listing(store: Store, tables: Published) -> Listing:
    return Listing.model_validate_json(read_file(store, tables, LISTING))


def read_table(data: bytes) -> pl.DataFrame:
    return pl.read_parquet(BytesIO(data))


def keep_recent(table: pl.DataFrame, entity: Iterable[str], as_of: datetime) -> pl.DataFrame:
    """Leave out what becomes known after as-of, and what nobody asks about any more.

    Each entity keeps what it was at the beginning of the stretch that is kept, however old.
    """
    known, entity = table.filter(pl.col(SINCE) <= as_of), list(entity)
    values = pl.exclude(*entity, SINCE)
    recent = pl.col(SINCE) > as_of - KEPT
    before = keep_last(known.filter(~recent), entity)
    kept = pl.concat([before, known.filter(recent)])
    ended = pl.all_horizontal(values.is_null()) & ~recent
    return kept.filter(~ended).sort(*entity, SINCE)


def write_tables(tables: Mapping[str, pl.DataFrame], listing: Listing, folder: Path) -> None:
    with reaching(str(folder)):
        folder.mkdir(parents=True)
        for name, table in tables.items():
            table.write_parquet(folder / f"{name}.parquet", compression="zstd")
        (folder / LISTING).write_text(listing.model_dump_json(indent=1), encoding="utf-8")


def forget_old(store: Store, definition: Definition) -> None:
    """Remove all but the newest versions; a service that reads one of the others tries again."""
    path = tables_path(definition)
    names = list_materialised(store, definition)
    found = sorted(
        find_all(store, [f"{path}/{name}" for name in names]).values(), key=lambda each: each.age
    )
    for each in found[:-_VERSIONS]:
        with reaching(store.root):
            store.remove(each.path)
