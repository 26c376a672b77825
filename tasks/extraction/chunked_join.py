"""Point-in-time lookups a chunk of rows at a time, so that memory does not grow with the rows.

What a table's events came to by the end of a chunk is carried into the next one: sums are added up
in the same order as over the whole, and have the same last bit. What a value is says
`features.feature_tables`.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

import polars as pl

from tasks.core.definition import Definition
from tasks.features.point_in_time_join import Events, give_values, keep_last, look_up, settle
from tasks.sources.query import SourceTable, collect

CHUNK_ROWS = 250_000  # rows
_GROUP = 100_000  # rows of events that are read together


def look_up_chunks(
    definition: Definition,
    table: SourceTable,
    parts: Sequence[Path],
    folder: Path,
    size: int | None = None,
) -> Iterator[pl.LazyFrame]:
    """Give the rows of parts that follow each other in time, with what was known at their times."""
    chunks = [each for part in parts for each in cut(part, size or CHUNK_ROWS)]
    if table.time is None:
        untils: list[datetime | None] = [None] * len(chunks)
    else:
        untils = [rows.select(table.time.max()).collect().item() for rows in chunks]
    walks = [
        walk(events, spill(table, events, folder / f"{name}.parquet"), untils)
        for name, events in table.events.items()
    ]
    for rows, *known in zip(chunks, *walks, strict=True):
        planned = dict(zip(table.events, known, strict=True))
        yield look_up(rows, table.time, definition.tables, planned)


def cut(part: Path, size: int) -> Iterator[pl.LazyFrame]:
    rows = pl.scan_parquet(part, glob=False)
    count = rows.select(pl.len()).collect().item()
    yield from (rows.slice(start, size) for start in range(0, max(1, count), size))


def spill(table: SourceTable, events: Events, file: Path) -> Path:
    """Write what a table is made of where chunks of it are soon found: sources may be large."""
    file.parent.mkdir(exist_ok=True)
    collect(table, events.frame.sink_parquet(file, row_group_size=_GROUP, lazy=True))
    return file


def walk(events: Events, file: Path, untils: Iterable[datetime | None]) -> Iterator[pl.LazyFrame]:
    """Give a table's values up to one time after another; each begins with what went before.

    What an entity is has no time, and stays the same.
    """
    kept = Events(events.table, pl.scan_parquet(file, glob=False), events.kinds)
    if events.table.time is None:
        whole = settle(kept).collect().lazy()
        yield from (whole for _ in untils)
        return
    carried: pl.LazyFrame | None = None
    since: datetime | None = None
    entity = list(events.table.entity)
    for until in untils:
        until = until or since  # rows without a time come last, and know nothing
        settled = settle(kept, carried, since, until).collect()
        yield give_values(kept, settled.lazy())
        carried = keep_last(settled, entity).lazy()
        since = until
