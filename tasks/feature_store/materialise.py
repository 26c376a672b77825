"""Materialising: a definition's feature tables as of now, for a service to look values up in.

Responsible for until when each table knows events. Values are computed as for training, by the
plans of `features.feature_tables`.
"""

from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from tasks.core.data_sections import FeatureTable
from tasks.core.definition import Definition
from tasks.core.progress import tell_progress
from tasks.core.timestamps import utc_time
from tasks.feature_store.online_tables import (
    KEPT,
    Listed,
    Listing,
    keep_recent,
    tables_path,
    write_tables,
)
from tasks.features.feature_tables import tables_digest
from tasks.registry.code_digest import code_digest
from tasks.registry.versions import Published, find, name_version, publish_once
from tasks.sources.preflight import check_tables
from tasks.sources.query import SourceTable, collect, digest_sources, open_table, refuse_changed
from tasks.storage.store import Store


def make_tables(
    definition: Definition, project: Path, as_of: datetime | None, store: Store, folder: Path
) -> Published:
    """Publish the tables as of a time, or as of now; what exists already is the answer."""
    now = datetime.now(UTC)
    check_tables(definition, as_of)
    opened, tables = open_table(definition, project), definition.tables
    used = {table.source for table in tables.values()}
    digests = digest_sources(opened)
    sources = {name: digest for name, digest in digests.items() if name in used}
    known = {
        name: settle_known(definition, table, opened, as_of or now)
        for name, table in tables.items()
    }
    newest = max((each for each in known.values() if each is not None), default=None)
    digest = tables_digest(definition)
    made_of = (*sources.values(), *map(str, known.values()), digest, code_digest())
    path = f"{tables_path(definition)}/{name_version(newest, *made_of)}"
    if found := find(store, path):
        return found
    made: dict[str, pl.DataFrame] = {}
    for name, until in known.items():
        made[name] = collect_table(opened, name, tables[name], until)
        tell_progress("materialising", "table", len(made), len(known))
    refuse_changed(opened, digests)
    listed = {name: list_table(tables[name], frame, known[name]) for name, frame in made.items()}
    listing = Listing(digest=digest, made_at=now, sources=sources, tables=listed)
    write_tables(made, listing, folder / "tables")
    return publish_once(store, folder / "tables", path)


def settle_known(
    definition: Definition, table: FeatureTable, opened: SourceTable, limit: datetime
) -> datetime | None:
    """Find until when a table knows events: when its newest one became known, or the limit.

    Beyond it, windows would only empty. None for a table without time, or without events.
    """
    if table.time is None:
        return None
    events = opened.frames[table.source]
    schema, zone = events.collect_schema(), definition.extract.time_zone
    known = utc_time(table.time, schema, zone, "[tables] time") + table.known_after
    newest = collect(opened, events.select(known.filter(known <= limit).max())).item()
    return newest if isinstance(newest, datetime) else limit


def collect_table(
    opened: SourceTable, name: str, table: FeatureTable, as_of: datetime | None
) -> pl.DataFrame:
    made = collect(opened, opened.tables[name])
    if as_of is None:
        return made.sort(table.entity)
    return keep_recent(made, table.entity, as_of)


def list_table(table: FeatureTable, frame: pl.DataFrame, as_of: datetime | None) -> Listed:
    return Listed(
        as_of=as_of,
        since=None if as_of is None else as_of - KEPT,
        entities=frame.select(table.entity).n_unique() if table.entity else min(1, len(frame)),
        rows=len(frame),
    )
