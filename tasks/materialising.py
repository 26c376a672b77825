"""Materialising: a definition's feature tables as of now, for a service to look values up in.

Owns until when each table knows events. Refuses to compute values otherwise than for training: it
runs the plans of `tables`.
"""

import logging
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.definition import Definition, FeatureTable
from tasks.errors import DefinitionError
from tasks.extraction import digest_sources
from tasks.materialised import (
    Listed,
    Listing,
    find_materialised,
    forget_old,
    keep_recent,
    read_listing,
    tables_path,
    write_tables,
)
from tasks.moments import moment_of
from tasks.registry import Published, code_digest, find, name_version, publish
from tasks.sources import Table, collect, open_table
from tasks.store import Store, open_store
from tasks.tables import tables_digest

log = logging.getLogger("perennial.tables")


def make_tables(
    definition: Definition, project: Path, as_of: datetime | None, store: Store, folder: Path
) -> Published:
    """Publish the tables as of a time, or as of now; what exists already is the answer."""
    if not definition.tables:
        raise DefinitionError(f"{definition.name}: has no [tables] to materialise")
    now = datetime.now(UTC)
    if as_of is not None and as_of > now:
        raise DefinitionError(f"--as-of {as_of:%Y-%m-%d %H:%M} UTC is in the future")
    table = open_table(definition, project)
    used = {each.source for each in definition.tables.values()}
    sources = {name: digest for name, digest in digest_sources(table).items() if name in used}
    known = {
        name: settle_known(definition, each, table, as_of or now)
        for name, each in definition.tables.items()
    }
    newest = max((each for each in known.values() if each is not None), default=None)
    digests = (*sources.values(), *map(str, known.values()), tables_digest(definition))
    version = name_version(newest, *digests, code_digest())
    path = f"{tables_path(definition)}/{version}"
    found = find(store, path)
    if found is not None:
        return found
    made = {
        name: collect_table(table, name, definition.tables[name], known[name]) for name in known
    }
    listing = Listing(
        digest=tables_digest(definition),
        made_at=now,
        sources=sources,
        tables={
            name: Listed(
                as_of=known[name],
                entities=frame.select(definition.tables[name].entity).n_unique(),
                rows=len(frame),
            )
            for name, frame in made.items()
        },
    )
    write_tables(made, listing, folder / "tables")
    try:
        return publish(store, folder / "tables", path)
    except FileExistsError:
        found = find(store, path)
        assert found is not None
        return found


def settle_known(
    definition: Definition, table: FeatureTable, opened: Table, limit: datetime
) -> datetime | None:
    """Find until when a table knows events: when its newest one became known, or the limit.

    Beyond it, windows would only empty. None for a table without time, or without events.
    """
    if table.time is None:
        return None
    events = opened.frames[table.source]
    schema, zone = events.collect_schema(), definition.extract.time_zone
    known = moment_of(table.time, schema, zone, "[tables] time") + table.known_after
    newest = collect(opened, events.select(known.filter(known <= limit).max())).item()
    return newest if isinstance(newest, datetime) else limit


def collect_table(
    opened: Table, name: str, table: FeatureTable, as_of: datetime | None
) -> pl.DataFrame:
    made = collect(opened, opened.tables[name])
    if as_of is None:
        return made.sort(table.entity)
    return keep_recent(made, table.entity, as_of)


@task(name="materialising", cache_policy=NO_CACHE)
def materialise_tables(
    root: str, definition: Definition, project: Path, as_of: datetime | None, folder: Path
) -> Listing:
    """Materialise a definition's tables under the root, and leave the newest few there."""
    store = open_store(root)
    listing = read_listing(store, make_tables(definition, project, as_of, store, folder))
    forget_old(store, definition)
    counts = ", ".join(f"{name} {each.entities:,}" for name, each in listing.tables.items())
    log.info("%s: entities: %s", definition.name, counts)
    return listing


def is_materialised(store: Store, definition: Definition) -> bool:
    return not definition.tables or find_materialised(store, definition) is not None
