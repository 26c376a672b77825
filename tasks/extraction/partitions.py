"""Partitions: groups of one source's files from which a snapshot can be made one by one.

A partition has a name, so that rows of an earlier snapshot are taken instead of read anew. This is
done only where it is proven that the rows of the partitions are those of the whole; else there are
none, and all is read.

The proof holds for one source of Parquet files of the same columns, where the query, if there is
one, takes that source first and once, chooses, computes and filters row by row, and joins others to
it from its left. The others must be what they were: they are part of the name.
"""

import hashlib
import json
import logging
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl

from tasks.core.definition import Definition, Frozen
from tasks.core.errors import StoreError
from tasks.core.row_wise_query import first_table
from tasks.registry.code_digest import package_versions
from tasks.registry.snapshots import fetch_snapshot, snapshot_path
from tasks.registry.versions import find, list_versions, read_json
from tasks.sources.file_contents import digest_content
from tasks.sources.files import Files
from tasks.sources.hive_folders import read_folders
from tasks.sources.query import SourceTable, open_files
from tasks.storage.store import Store, scan_options

log = logging.getLogger("perennial.partitions")

_ROWS = 1_000_000  # that a partition has at least, but for the last
_JOINED_ROWS = 1_000_000  # that the other sources have at most, together
_AT_ONCE = 16
_NAMED = re.compile(r"part-\d+-([0-9a-f]{32})\.parquet")


class Partition(Frozen):
    """Some files of a source; equal keys give equal rows, before any is left out by its time."""

    source: str
    files: tuple[str, ...]
    key: str


def find_partitions(
    definition: Definition, table: SourceTable, digests: Mapping[str, str]
) -> tuple[Partition, ...]:
    """Cut the table into partitions; none where it is not sure that they make it up, or one."""
    source = find_divisible(definition)
    if source is None or definition.extract.time is None:
        return ()
    if not _others_are_small(table, source):
        return ()
    groups = list(_group_files(table.files[source]))
    if len(groups) < 2:
        return ()
    partitions = tuple(
        Partition(
            source=source,
            files=files,
            key=name_partition(
                definition, source, {each: table.seen[each] for each in files}, digests
            ),
        )
        for files in groups
    )
    # Partitions lack whatever else was joined to the table's rows, and some of the folders that a
    # column's type was found by.
    carried = any(read_folders(file) for file in table.files[source])
    alike = all(
        open_partition(definition, table, each).columns == table.columns
        for each in (partitions if carried else partitions[:1])
    )
    return partitions if alike else ()


def find_divisible(definition: Definition) -> str | None:
    """Name the source whose files can be read one by one; None where that is not sure."""
    name, query = next(iter(definition.sources)), definition.extract.query
    if query is not None:
        name = first_table(query)
    source = definition.sources.get(name)
    return name if source and source.format == "parquet" else None


def open_partition(definition: Definition, table: SourceTable, partition: Partition) -> SourceTable:
    """Open the table as if its source had no other files than a partition's."""
    files = {name: table.see(name) for name in table.files}
    own = {file: table.seen[file] for file in partition.files}
    return open_rows(definition, {**files, partition.source: own})


def open_rows(definition: Definition, files: Mapping[str, Files]) -> SourceTable:
    """Open what the query alone gives: feature tables know events of other partitions, too."""
    return open_files(definition.model_copy(update={"tables": {}}), files)


def name_partition(
    definition: Definition, source: str, files: Files, digests: Mapping[str, str]
) -> str:
    """Name a partition by all that its rows and their order come from."""
    extract = definition.extract
    made_of = {
        "files": [digest_content(file, files[file], f"[sources] {source}") for file in files],
        "others": {name: digest for name, digest in digests.items() if name != source},
        "read": {name: each.model_dump() for name, each in definition.sources.items()},
        "extract": extract.model_dump(mode="json", exclude={"window"}),
        "unique": bool(extract.key) and not definition.checks.duplicates,
        "polars": package_versions()["polars"],
    }
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:32]


def recall_parts(store: Store, model: str, folder: Path) -> dict[str, Path]:
    """Give the parts of the newest version's snapshot by the keys of their partitions."""
    versions = list(list_versions(store, model).values())
    if not versions:
        return {}
    lineage = read_json(store, versions[-1], "lineage.json")
    named = lineage.get("snapshot")
    snapshot = find(store, snapshot_path(named)) if named else None
    if snapshot is None or not any(map(_NAMED.fullmatch, snapshot.manifest.files)):
        return {}
    try:
        parts = fetch_snapshot(store, snapshot, folder)
    except StoreError as error:
        log.warning("all is read anew: %s", error)
        return {}
    return {named[1]: part for part in parts if (named := _NAMED.fullmatch(part.name))}


def _group_files(files: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Put neighbours together until they have enough rows; a new file changes the last group only.

    Nothing comes where files have other columns than the first.
    """
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        heads = list(pool.map(_read_head, files))
    if any(schema != heads[0][1] for _, schema in heads):
        return
    group: list[str] = []
    held = 0
    for file, (rows, _) in zip(files, heads, strict=True):
        group.append(file)
        held += rows
        if held >= _ROWS:
            yield tuple(group)
            group, held = [], 0
    if group:
        yield tuple(group)


def _others_are_small(table: SourceTable, source: str) -> bool:
    """Tell whether it costs little to join the other sources to every partition."""
    others = [name for name in table.sources if name != source]
    if any(table.sources[name].format != "parquet" for name in others):
        return False  # nobody knows without reading them
    files = [file for name in others for file in table.files[name]]
    return len(files) <= _AT_ONCE and sum(_read_head(file)[0] for file in files) <= _JOINED_ROWS


def _read_head(file: str) -> tuple[int, pl.Schema]:
    rows = pl.scan_parquet(file, glob=False, storage_options=scan_options(file))
    return rows.select(pl.len()).collect().item(), rows.collect_schema()
