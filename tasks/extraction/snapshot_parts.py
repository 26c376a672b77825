"""The Parquet files of a snapshot: one for each partition, or one with all rows.

Responsible for which rows belong to a snapshot, their order, and who writes them: this process, or
the workers of a cluster. Not responsible for its name and where it is kept.
"""

import logging
import os
import shutil
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple, cast

import polars as pl

from tasks.cluster.dask_cluster import open_cluster
from tasks.core.definition import Definition
from tasks.core.errors import PerennialError, first_line
from tasks.extraction.chunked_join import look_up_chunks
from tasks.extraction.partitions import (
    Partition,
    find_partitions,
    name_partition,
    open_partition,
    open_rows,
)
from tasks.extraction.run_plan import Plan
from tasks.registry.forgotten import is_forgotten
from tasks.sources.file_contents import digest_files, see_files
from tasks.sources.query import SourceTable, collect, collect_all, digest_sources, holding
from tasks.storage.store import is_bucket

log = logging.getLogger("perennial.parts")


class Made(NamedTuple):
    """A part that a worker made; `whole` if it holds all rows of its partition."""

    data: bytes
    whole: bool


def write_parts(
    plan: Plan, table: SourceTable, folder: Path, earlier: Mapping[str, Path]
) -> tuple[Path, ...]:
    """Write a snapshot's rows, with what was known at their times where there are feature tables.

    Of partitions whose rows are among `earlier` parts, by key, nothing is read.
    """
    if not table.events:
        return _write_rows(plan, table, folder, earlier)
    with TemporaryDirectory(dir=folder.parent) as place:
        schema = table.plain.collect_schema()
        plain = table.model_copy(update={"rows": table.plain, "columns": schema})
        (rows := Path(place, "rows")).mkdir()
        parts = _write_rows(plan, plain, rows, {})
        return look_up_parts(plan, table, parts, folder, Path(place, "events"))


def look_up_parts(
    plan: Plan, table: SourceTable, parts: tuple[Path, ...], folder: Path, events: Path
) -> tuple[Path, ...]:
    """Write the rows of parts anew, with what was known at their times, in the same order."""
    found = []
    joined = look_up_chunks(plan.definition, table, parts, events)
    for number, rows in enumerate(joined):
        part = folder / f"part-{number:04}.parquet"
        ordered = _order_rows(plan.definition, table, rows)
        collect(table, ordered.sink_parquet(part, lazy=True))
        found.append(part)
    return tuple(found)


def _write_rows(
    plan: Plan, table: SourceTable, folder: Path, earlier: Mapping[str, Path]
) -> tuple[Path, ...]:
    parts = write_partitions(plan, table, folder, earlier)
    return parts or (write_part(plan, table, folder / "part-0000.parquet"),)


def write_partitions(
    plan: Plan, table: SourceTable, folder: Path, earlier: Mapping[str, Path]
) -> tuple[Path, ...]:
    """Write a part a partition; none where their times overlap: then all is sorted at once.

    A part that holds the whole of its partition has the partition's key in its name.
    """
    partitions = find_partitions(plan.definition, table, plan.sources)
    spans: list[tuple[datetime, datetime, Path, str]] = []
    for number, whole in _write_each(plan, table, partitions, folder, earlier):
        part = folder / f"{number}.parquet"
        first, last, rows, timed = _measure_times(plan, part)
        if not rows:
            part.unlink()
            continue
        if timed < rows or any(first <= end and start <= last for start, end, *_ in spans):
            for written in folder.iterdir():
                written.unlink()
            return ()
        spans.append((first, last, part, f"-{partitions[number].key}" if whole else ""))
    taken = sum(each.endswith(tuple(earlier)) for *_, each in spans) if earlier else 0
    log.info("%d partitions, %d of them from the newest version's snapshot", len(spans), taken)
    return tuple(
        part.rename(folder / f"part-{place:04}{key}.parquet")
        for place, (_, _, part, key) in enumerate(sorted(spans))
    )


def write_partition(plan: Plan, table: SourceTable, part: Path, kept: Path | None = None) -> bool:
    """Write a partition's rows that belong to the snapshot; tell whether these are all it has."""
    if kept is not None:
        table = table.model_copy(update={"rows": pl.scan_parquet(kept, glob=False)})
    outside = table.rows.select((~_is_inside(plan, table)).sum())
    if kept is not None and not collect(table, outside).item():
        shutil.copyfile(kept, part)
        return True
    _, counted = collect_all(table, _plan_part(plan, table, part), outside)
    return not counted.item()


def write_part(plan: Plan, table: SourceTable, part: Path) -> Path:
    collect(table, _plan_part(plan, table, part))
    return part


def _plan_part(plan: Plan, table: SourceTable, part: Path) -> pl.LazyFrame:
    rows = table.rows.filter(_is_inside(plan, table))
    return _order_rows(plan.definition, table, rows).sink_parquet(part, lazy=True)


def make_part(plan: Plan, partition: Partition, files: Mapping[str, tuple[str, ...]]) -> Made | str:
    """Make a part on a worker, from the very bytes that the run began with; or say why not."""
    source = partition.source
    try:
        seen = {name: see_files(each) for name, each in files.items()}
        others = {name: each for name, each in seen.items() if name != source}
        digests = {name: digest_files(each, f"[sources] {name}") for name, each in others.items()}
        if name_partition(plan.definition, source, seen[source], digests) != partition.key:
            return "has other files by these names, or another Polars"
        with TemporaryDirectory() as folder:
            part, table = Path(folder, "part.parquet"), open_rows(plan.definition, seen)
            with holding(table, digest_sources(table)):
                whole = write_partition(plan, table, part)
            return Made(part.read_bytes(), whole)
    except (PerennialError, OSError) as error:
        return first_line(error)


def _write_each(
    plan: Plan,
    table: SourceTable,
    partitions: tuple[Partition, ...],
    folder: Path,
    earlier: Mapping[str, Path],
) -> Iterator[tuple[int, bool]]:
    """Write partitions as `NUMBER.parquet`, in any order, and tell which of them are whole."""
    left = dict(enumerate(partitions))
    if plan.definition.training.engine == "dask":
        new = {number: each for number, each in left.items() if each.key not in earlier}
        for number, part in _let_workers_make(plan, table, new):
            del left[number]
            (folder / f"{number}.parquet").write_bytes(part.data)
            yield number, part.whole
    for number, partition in left.items():
        opened, kept = open_partition(plan.definition, table, partition), earlier.get(partition.key)
        yield number, write_partition(plan, opened, folder / f"{number}.parquet", kept)


def _let_workers_make(
    plan: Plan, table: SourceTable, partitions: Mapping[int, Partition]
) -> Iterator[tuple[int, Made]]:
    """Let a cluster's workers make the parts of two partitions or more, as far as they can.

    One is no work to share. Only names and digests travel to a worker, and its part back.
    """
    if len(partitions) < 2:
        return
    numbers, refused = list(partitions), []
    asked = [
        (plan, each, _find_anywhere({**table.files, each.source: each.files}))
        for each in partitions.values()
    ]
    with open_cluster(plan.definition.training) as cluster:
        for place, worker, made in cluster.spread(make_part, asked):
            if isinstance(made, str):
                refused.append(f"{worker}: {made}")
            else:
                yield numbers[place], made
    made_there = len(numbers) - len(refused)
    log.info("%d of %d new partitions came from Dask workers", made_there, len(numbers))
    if refused:
        log.warning("%d partitions are extracted here, not by %s", len(refused), refused[0])


def _find_anywhere(files: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Name files so that a process in another folder finds them."""
    return {
        name: tuple(each if is_bucket(each) else os.path.abspath(each) for each in listed)
        for name, listed in files.items()
    }


def _is_inside(plan: Plan, table: SourceTable) -> pl.Expr:
    """Tell whether a row is in the window up to as-of; without a time, the contract counts it.

    A row of a person who was forgotten never is.
    """
    known = ~is_forgotten(plan.forgotten, table.columns) if plan.forgotten else pl.lit(True)
    if table.time is None or plan.as_of is None:
        return known
    inside = table.time <= plan.as_of
    if plan.definition.extract.window:
        inside &= table.time > plan.as_of - plan.definition.extract.window
    return (inside | table.time.is_null()) & known


def _measure_times(plan: Plan, part: Path) -> tuple[datetime, datetime, int, int]:
    """Give a part's first and last time as its rows are sorted, its rows, and those with a time."""
    time = pl.col(cast(str, plan.definition.extract.time))
    limits = (time.min(), time.max().alias("last"), pl.len().alias("rows"), time.count().alias("n"))
    return pl.scan_parquet(part, glob=False).select(limits).collect().row(0)


def _order_rows(definition: Definition, table: SourceTable, rows: pl.LazyFrame) -> pl.LazyFrame:
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
