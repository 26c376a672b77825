"""Online tables are written whole, found by what they know, and forgotten when they are old."""

from datetime import timedelta
from pathlib import Path

import polars as pl
from entities import START, define_table

from tasks.core.columns import SINCE
from tasks.feature_store.online_tables import (
    KEPT,
    Listed,
    Listing,
    find_materialised,
    forget_old,
    keep_recent,
    list_materialised,
    read_listing,
    read_table,
    tables_path,
    write_tables,
)
from tasks.features.feature_tables import tables_digest
from tasks.registry.versions import publish, read_file
from tasks.storage.store import open_store

DEFINITION = define_table('time = "at"\nover = "5h"', {"n": "COUNT(*)"})


def test_what_is_written_is_read_again_and_only_the_newest_versions_are_kept(
    tmp_path: Path,
) -> None:
    store, table = open_store(str(tmp_path / "root")), pl.DataFrame({"k": ["a"], "n": [1]})
    for day in range(5):
        made = START + timedelta(days=day)
        listed = Listed(as_of=made, entities=1, rows=1)
        digest = tables_digest(DEFINITION)
        listing = Listing(digest=digest, made_at=made, sources={}, tables={"past": listed})
        write_tables({"past": table}, listing, tmp_path / f"made{day}")
        name = f"{made:%Y%m%dT%H%M%SZ}-{day:010x}"
        publish(store, tmp_path / f"made{day}", f"{tables_path(DEFINITION)}/{name}")
    newest = find_materialised(store, DEFINITION)
    assert newest is not None
    assert read_listing(store, newest) == listing
    assert read_table(read_file(store, newest, "past.parquet")).equals(table)
    forget_old(store, DEFINITION)
    assert len(list_materialised(store, DEFINITION)) == 3
    assert find_materialised(store, DEFINITION) == newest


def test_an_entity_keeps_its_last_value_before_the_days_that_are_kept() -> None:
    as_of = START + 10 * KEPT
    times = [as_of - 3 * KEPT, as_of - 2 * KEPT, as_of - KEPT / 2, as_of + KEPT]
    ended = pl.DataFrame({"k": ["b"], SINCE: [times[0]], "n": [None]}, schema_overrides={"n": int})
    table = pl.concat([pl.DataFrame({"k": ["a"] * 4, SINCE: times, "n": [1, 2, 3, 4]}), ended])
    kept = keep_recent(table.sort(SINCE), ["k"], as_of)
    assert kept.select("k", "n").rows() == [("a", 2), ("a", 3)]
