"""Step 1, extraction: one immutable snapshot of the rows that were known as of a time.

Owns what a snapshot is and what names it. Refuses to know what the columns mean: it judges no
value and leaves out no row but those after as-of or before the window.
"""

import hashlib
import json
import logging
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.carried import look_up_stretches
from tasks.definition import Definition, Frozen
from tasks.errors import DataRefused, DefinitionError
from tasks.files import digest_files
from tasks.partitions import Partition, find_partitions, open_partition, recall_parts
from tasks.plan import Plan
from tasks.registry import fetch_snapshot, find, package_versions, snapshot_path
from tasks.sources import Table, collect, open_table
from tasks.store import open_store, reaching

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


def digest_sources(table: Table) -> dict[str, str]:
    """Identify each source's content, whatever its files are called."""
    return {name: digest_files(files) for name, files in table.files.items()}


def settle_as_of(table: Table, as_of: datetime | None, now: datetime) -> datetime | None:
    """Take the as-of time that is asked for, or the newest event time that is not in the future.

    So a rerun on the same data is the same run, whatever the clock says.
    """
    if table.time is None:
        if as_of is not None:
            raise DefinitionError("--as-of needs [extract] time: these rows carry no time")
        return None
    if as_of is not None:
        settled = as_of if as_of.tzinfo else as_of.replace(tzinfo=UTC)
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
    definition: Definition, sources: Mapping[str, str], as_of: datetime | None
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
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:32]


def extract_snapshot(
    plan: Plan, table: Table, folder: Path, earlier: Mapping[str, Path] | None = None
) -> tuple[Path, ...]:
    """Write the rows in the window up to as-of, in an order that is always the same.

    Of partitions whose rows are among `earlier` parts, by key, nothing is read.
    """
    folder.mkdir(parents=True)
    with reaching(str(folder)):
        if not table.events:
            return extract_rows(plan, table, folder, earlier or {})
        with TemporaryDirectory(dir=folder.parent) as place:
            schema = table.plain.collect_schema()
            plain = table.model_copy(update={"rows": table.plain, "columns": schema})
            (rows := Path(place, "rows")).mkdir()
            parts = extract_rows(plan, plain, rows, {})
            return look_up_parts(plan, table, parts, folder, Path(place, "events"))


def extract_rows(
    plan: Plan, table: Table, folder: Path, earlier: Mapping[str, Path]
) -> tuple[Path, ...]:
    parts = extract_partitions(plan, table, folder, earlier)
    return parts or (write_part(plan, table, folder / "part-0000.parquet"),)


def look_up_parts(
    plan: Plan, table: Table, parts: tuple[Path, ...], folder: Path, events: Path
) -> tuple[Path, ...]:
    """Write the rows of parts anew, with what was known at their times, in the same order."""
    found = []
    joined = look_up_stretches(plan.definition, table, parts, events)
    for number, rows in enumerate(joined):
        part = folder / f"part-{number:04}.parquet"
        ordered = _order_rows(plan.definition, table, rows)
        collect(table, ordered.sink_parquet(part, lazy=True))
        found.append(part)
    return tuple(found)


def extract_partitions(
    plan: Plan, table: Table, folder: Path, earlier: Mapping[str, Path]
) -> tuple[Path, ...]:
    """Write a part a partition; none where their times overlap: then all is sorted at once.

    A part that holds the whole of its partition has the partition's key in its name.
    """
    spans: list[tuple[datetime, datetime, Path, str]] = []
    for number, partition in enumerate(find_partitions(plan.definition, table, plan.sources)):
        part, kept = folder / f"{number}.parquet", earlier.get(partition.key)
        whole = extract_partition(plan, table, partition, part, kept)
        first, last, rows, timed = _measure_times(plan, part)
        if not rows:
            part.unlink()
            continue
        if timed < rows or any(first <= end and start <= last for start, end, *_ in spans):
            for written in folder.iterdir():
                written.unlink()
            return ()
        spans.append((first, last, part, f"-{partition.key}" if whole else ""))
    taken = sum(each.endswith(tuple(earlier)) for *_, each in spans) if earlier else 0
    log.info("%d partitions, %d of them from the newest version's snapshot", len(spans), taken)
    return tuple(
        part.rename(folder / f"part-{place:04}{key}.parquet")
        for place, (_, _, part, key) in enumerate(sorted(spans))
    )


def extract_partition(
    plan: Plan, table: Table, partition: Partition, part: Path, kept: Path | None
) -> bool:
    """Write a partition's rows that belong to the snapshot; tell whether these are all it has."""
    opened = open_partition(plan.definition, table, partition)
    if kept is not None:
        opened = opened.model_copy(update={"rows": pl.scan_parquet(kept, glob=False)})
    whole = not collect(opened, opened.rows.select((~_is_inside(plan, table)).sum())).item()
    if whole and kept is not None:
        shutil.copyfile(kept, part)
    else:
        write_part(plan, opened, part)
    return whole


def write_part(plan: Plan, table: Table, part: Path) -> Path:
    rows = table.rows.filter(_is_inside(plan, table))
    collect(table, _order_rows(plan.definition, table, rows).sink_parquet(part, lazy=True))
    return part


def describe_snapshot(plan: Plan, table: Table, parts: tuple[Path, ...]) -> Snapshot:
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


def _is_inside(plan: Plan, table: Table) -> pl.Expr:
    """Tell whether a row is in the window up to as-of; without a time, the contract counts it."""
    if table.time is None or plan.as_of is None:
        return pl.lit(True)
    inside = table.time <= plan.as_of
    if plan.definition.extract.window:
        inside &= table.time > plan.as_of - plan.definition.extract.window
    return inside | table.time.is_null()


def _measure_times(plan: Plan, part: Path) -> tuple[datetime, datetime, int, int]:
    """Give a part's first and last time as its rows are sorted, its rows, and those with a time."""
    time = pl.col(cast(str, plan.definition.extract.time))
    limits = (time.min(), time.max().alias("last"), pl.len().alias("rows"), time.count().alias("n"))
    return pl.scan_parquet(part, glob=False).select(limits).collect().row(0)


def _order_rows(definition: Definition, table: Table, rows: pl.LazyFrame) -> pl.LazyFrame:
    """Sort, because a join promises no order and training gives other trees for another order."""
    named = (definition.extract.time, *definition.extract.key)
    first = [column for column in dict.fromkeys(named) if column]
    unique = bool(definition.extract.key) and not definition.checks.duplicates
    if definition.extract.query and not unique:
        rest = [
            name
            for name, dtype in table.columns.items()
            if name not in first and not dtype.is_nested()
        ]
        return rows.sort(first + rest, nulls_last=True)
    return rows.sort(first, nulls_last=True, maintain_order=True) if first else rows


def _explain_empty(plan: Plan, table: Table) -> str:
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


@task(name="extraction", cache_policy=NO_CACHE)
def extract(plan: Plan, folder: Path) -> Snapshot:
    """Reuse the snapshot if the root holds it, or extract it into the run's own folder."""
    store = open_store(plan.root)
    table = open_table(plan.definition, plan.project, plan.sources)
    kept = find(store, snapshot_path(plan.snapshot))
    if kept:
        parts = tuple(fetch_snapshot(store, kept, folder / "snapshot"))
    else:
        earlier = recall_parts(store, plan.definition.name, folder / "earlier")
        parts = extract_snapshot(plan, table, folder / "snapshot", earlier)
    snapshot = describe_snapshot(plan, table, parts)
    log.info("%s rows %s", f"{snapshot.rows:,}", "reused" if kept else "extracted")
    return snapshot
