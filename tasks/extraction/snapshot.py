"""A snapshot: the immutable rows that were known as of a time, and what names it.

Rows after as-of or before the window are left out, and no others: values are not judged here.
"""

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import polars as pl

from tasks.core.definition import Definition, Frozen
from tasks.core.errors import DataRefused, DefinitionError
from tasks.core.time_zones import in_utc
from tasks.extraction.partitions import recall_parts
from tasks.extraction.run_plan import Plan
from tasks.extraction.snapshot_parts import write_parts
from tasks.registry.code_digest import package_versions
from tasks.registry.forgotten import Forgotten
from tasks.registry.snapshots import fetch_snapshot, snapshot_path
from tasks.registry.versions import find
from tasks.sources.query import SourceTable, collect, holding, open_table
from tasks.storage.store import Store, reaching

log = logging.getLogger("perennial.extraction")

_MINUTE = "%Y-%m-%d %H:%M"
_EARLIEST = datetime(1000, 1, 1, tzinfo=UTC)  # so that a window before as-of has a date


class Snapshot(Frozen):
    """Extracted rows in local Parquet parts. `digest` names them by all that they came from."""

    digest: str
    parts: tuple[Path, ...]
    rows: int
    future_rows: int
    newest: datetime | None

    def scan(self) -> pl.LazyFrame:
        return pl.scan_parquet(list(self.parts), glob=False)


def settle_as_of(table: SourceTable, as_of: datetime | None, now: datetime) -> datetime | None:
    """Take the as-of time that is asked for, or the newest event time that is not in the future.

    So a rerun on the same data is the same run, whatever the clock says.
    """
    if table.time is None:
        if as_of is not None:
            raise DefinitionError("--as-of needs [extract] time: these rows carry no time")
        return None
    if as_of is not None:
        settled = in_utc(as_of)
        if not _EARLIEST <= settled <= now:
            when = "in the future" if settled > now else "before the year 1000"
            raise DefinitionError(f"--as-of {settled:{_MINUTE}} UTC is {when}")
        return settled
    past = table.time.filter(table.time.is_between(_EARLIEST, now))
    asked = table.plain.select(rows=pl.len(), newest=past.max())
    rows, newest = collect(table, asked).row(0)
    if not rows:
        raise DataRefused("[sources]: hold no rows, or [extract] query leaves none")
    if newest is None:
        name, moment = table.time.meta.root_names()[0], f"{now:{_MINUTE}} UTC"
        raise DataRefused(
            f"[extract] time: {name!r} holds no time before now ({moment}) in any of {rows:,} rows"
        )
    return cast(datetime, newest)


def digest_snapshot(
    definition: Definition,
    sources: Mapping[str, str],
    as_of: datetime | None,
    forgotten: Sequence[Forgotten] = (),
) -> str:
    """Name a snapshot by what it is made of: sources, the way they are read, as-of, Polars."""
    made_of = {
        "sources": dict(sources),
        "read": {name: source.model_dump() for name, source in definition.sources.items()},
        "extract": definition.extract.model_dump(mode="json"),
        "tables": {k: v.model_dump(mode="json") for k, v in definition.tables.items()},
        "as_of": str(as_of),
        "polars": package_versions()["polars"],
    }
    if forgotten:
        made_of["forgotten"] = [each.digest for each in forgotten]
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:32]


def extract_snapshot(
    plan: Plan, table: SourceTable, folder: Path, earlier: Mapping[str, Path] | None = None
) -> tuple[Path, ...]:
    """Write the rows in the window up to as-of, in an order that is always the same.

    Of partitions whose rows are among `earlier` parts, by key, nothing is read.
    """
    folder.mkdir(parents=True)
    with reaching(str(folder)):
        return write_parts(plan, table, folder, earlier or {})


def describe_snapshot(plan: Plan, table: SourceTable, parts: tuple[Path, ...]) -> Snapshot:
    """Count a snapshot's rows, and how many rows its sources hold from the future."""
    rows = pl.scan_parquet(list(parts), glob=False)
    count = rows.select(pl.len()).collect().item()
    if not count:
        raise DataRefused(_explain_empty(plan, table))
    future, newest = 0, None
    if table.time is not None:
        ahead = table.plain.select((table.time > datetime.now(UTC)).sum())
        future = collect(table, ahead).item()
        newest = rows.select(table.time.max()).collect().item()
    return Snapshot(
        digest=plan.snapshot, parts=parts, rows=count, future_rows=future, newest=newest
    )


def open_snapshot(plan: Plan, parts: tuple[Path, ...]) -> Snapshot:
    """Take parts for the plan's snapshot; its sources are not asked."""
    rows = pl.scan_parquet(list(parts), glob=False).select(pl.len()).collect().item()
    return Snapshot(digest=plan.snapshot, parts=parts, rows=rows, future_rows=0, newest=plan.as_of)


def _explain_empty(plan: Plan, table: SourceTable) -> str:
    if table.time is None or plan.as_of is None:
        return f"{plan.origin}: the sources hold no rows"
    limits = [limit.dt.to_string(_MINUTE) for limit in (table.time.min(), table.time.max())]
    first, last = collect(table, table.plain.select(first=limits[0], last=limits[1])).row(0)
    window = plan.definition.extract.window
    since = f"after {plan.as_of - window:{_MINUTE}} and " if window else ""
    held = f"they hold {first} to {last}" if first else "they hold no time at all"
    return (
        f"{plan.origin}: no row {since}up to as-of {plan.as_of:{_MINUTE}} UTC; {held} "
        "(change --as-of or [extract] window)"
    )


def make_snapshot(plan: Plan, store: Store, folder: Path) -> Snapshot:
    """Give the snapshot that the root holds, or extract it; SourceChanged if sources move on."""
    table = open_table(plan.definition, plan.project, plan.sources)
    with holding(table, plan.sources):
        kept = find(store, snapshot_path(plan.snapshot))
        if kept:
            parts = tuple(fetch_snapshot(store, kept, folder))
        else:
            earlier = recall_parts(store, plan.definition.name, Path(f"{folder}-earlier"))
            parts = extract_snapshot(plan, table, folder, earlier)
        snapshot = describe_snapshot(plan, table, parts)
    log.info("%s rows %s", f"{snapshot.rows:,}", "reused" if kept else "extracted")
    return snapshot
