"""Forget: remove one person's rows from what a root holds, and keep them out from then on.

Responsible for where rows of a key lie (snapshots, the prediction log, caches), for removing them,
and for which versions learned from them. Not responsible for the sources, and for models: what one
has learned stays in it until it is replaced.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping
from io import BytesIO
from pathlib import Path

import polars as pl

from tasks.core.definition import Definition, Frozen
from tasks.core.definition_file import find_definition, load_definition, project_of
from tasks.core.errors import DefinitionError, StoreError, in_definition, nearest
from tasks.monitoring.log_pieces import EVER, Piece, list_days, list_parts
from tasks.registry.forgotten import (
    Forgotten,
    Record,
    add_record,
    conceal,
    is_forgotten,
    key_text,
    read_records,
)
from tasks.registry.snapshots import fetch_snapshot, snapshot_path
from tasks.registry.versions import Published, find_all, list_versions, publish, read_json
from tasks.sources.query import open_table
from tasks.storage.local_cache import list_cached
from tasks.storage.store import Store, reaching

log = logging.getLogger("perennial.forget")


class Traces(Frozen):
    """Where a person's rows lie: rows by path of a snapshot or of a file of the log.

    `versions` learned from them; of those in `unknown` nobody can tell, for their snapshot is gone.
    """

    key: Forgotten
    snapshots: dict[str, int]
    log: dict[str, int]
    versions: tuple[str, ...]
    unknown: tuple[str, ...]


def open_columns(model: str, given: Iterable[str]) -> tuple[Definition, Mapping[str, pl.DataType]]:
    """Give a model's definition and the columns of its extraction; refuse what is not its key."""
    path = find_definition(model)
    definition = load_definition(path)
    check_key(definition, str(path), given)
    with in_definition(str(path)):
        return definition, open_table(definition, project_of(path)).columns


def check_key(definition: Definition, origin: str, given: Iterable[str]) -> None:
    """Raise DefinitionError for a model without key, or for columns that are not of it."""
    known = definition.extract.key
    if not known:
        raise DefinitionError(
            f"{origin}: [extract] key is not given, so that nobody's rows can be told from others'"
        )
    for name in given:
        if name not in known:
            raise DefinitionError(
                f"--key {name}: is no column of [extract] key in {origin}; {nearest(name, known)}"
            )


def settle_values(given: Mapping[str, str], columns: Mapping[str, pl.DataType]) -> dict[str, str]:
    """Give values as extraction would have them; DefinitionError for one that no row can have."""
    settled = {}
    for name, text in given.items():
        dtype, said = columns[name], pl.Series(name, [text])
        if dtype in (pl.Datetime, pl.Date):
            said = said.str.to_datetime(time_unit="us", time_zone="UTC", strict=False)
        elif dtype.is_numeric():
            said = said.cast(dtype, strict=False)
        value = said.to_frame().select(key_text(name, said.dtype)).item()
        if value is None:
            raise DefinitionError(f"--key {name}={text}: the column is {dtype}, and this is none")
        settled[name] = value
    return settled


def find_traces(store: Store, model: str, given: Mapping[str, str], folder: Path) -> Traces:
    """Look for a person's rows in each snapshot that a version was made of, and in the log."""
    versions = list_versions(store, model)
    made_of = {
        name: str(read_json(store, each, "lineage.json")["snapshot"])
        for name, each in versions.items()
    }
    kept = find_all(store, map(snapshot_path, set(made_of.values())))
    key = conceal(read_records(store, model), given)
    rows = {path: count_rows(store, each, key, folder) for path, each in kept.items()}
    snapshots = {path: count for path, count in rows.items() if count}
    return Traces(
        key=key,
        snapshots=snapshots,
        log=dict(_find_logged(store, model, key)),
        versions=tuple(v for v, made in made_of.items() if snapshot_path(made) in snapshots),
        unknown=tuple(v for v, made in made_of.items() if snapshot_path(made) not in kept),
    )


def count_rows(store: Store, snapshot: Published, key: Forgotten, folder: Path) -> int:
    parts = fetch_snapshot(store, snapshot, folder / snapshot.version)
    rows = pl.scan_parquet(parts, glob=False)
    columns = rows.collect_schema()
    if not set(key.columns) <= set(columns):
        return 0
    count: int = rows.select(is_forgotten([key], columns).sum()).collect().item()
    return count


def remove_traces(store: Store, model: str, traces: Traces, folder: Path) -> Record:
    """Write down what is forgotten, remove it, and write down that it is done.

    From the first record on, no extraction takes these rows: whoever is killed after it runs again.
    """
    records = read_records(store, model)
    said = {"key": traces.key, "versions": traces.versions, "unknown": traces.unknown}
    if traces.key not in [each.key for each in records]:
        records.append(add_record(store, model, len(records), done=False, removed={}, **said))
    for path in traces.snapshots:
        _rewrite_snapshot(store, path, traces.key, folder)
    for path in traces.log:
        _rewrite_logged(store, path, traces.key)
    _drop_caches(store, model)
    removed = {
        "snapshot rows": sum(traces.snapshots.values()),
        "logged rows": sum(traces.log.values()),
    }
    return add_record(store, model, len(records), done=True, removed=removed, **said)


def _rewrite_snapshot(store: Store, path: str, key: Forgotten, folder: Path) -> None:
    """Put a snapshot without these rows in its place, under the same name."""
    kept = find_all(store, [path])[path]
    made = folder / f"{kept.version}-left"
    made.mkdir()
    for part in fetch_snapshot(store, kept, folder / kept.version):
        rows = pl.scan_parquet(part, glob=False)
        left = rows.filter(~is_forgotten([key], rows.collect_schema()))
        left.sink_parquet(made / part.name)
    with reaching(store.root):
        gone = store.retire(path)
    if not gone:
        raise StoreError(f"{store.root}/{path}: a run reads it; run forget again when it has ended")
    publish(store, made, path)


def _find_logged(store: Store, model: str, key: Forgotten) -> Iterator[tuple[str, int]]:
    """Find the files of the log, parts and pieces, that hold such rows."""
    for path in _list_logged(store, model):
        rows = _read_logged(store, path)
        if rows is not None and set(key.columns) <= set(rows.columns):
            count = rows.select(is_forgotten([key], rows.schema).sum()).item()
            if count:
                yield path, count


def _list_logged(store: Store, model: str) -> Iterator[str]:
    for day in list_days(store, model, EVER):
        for part in list_parts(store, model, day):
            yield f"predictions/{model}/date={day}/hour={part}"
        folder = f"monitoring/{model}/pieces/{day}"
        with reaching(store.root):
            names = store.children(folder)
        yield from (f"{folder}/{name}" for name in names if name.endswith(".parquet"))


def _read_logged(store: Store, path: str) -> pl.DataFrame | None:
    with reaching(store.root):
        data = store.read_many([path]).get(path)
    try:
        return pl.read_parquet(BytesIO(data)) if data else None
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError):
        log.warning("%s cannot be read, and so is left as it is", path)
        return None


def _rewrite_logged(store: Store, path: str, key: Forgotten) -> None:
    rows = _read_logged(store, path)
    if rows is None:
        return
    buffer = BytesIO()
    left = rows.filter(~is_forgotten([key], rows.schema))
    left.write_parquet(buffer, compression="zstd")
    with reaching(store.root):
        store.replace(path, buffer.getvalue())
    _recount(store, path, len(rows) - len(left))


def _recount(store: Store, path: str, fewer: int) -> None:
    """Correct the number of rows that a piece's listing gives for a file."""
    folder = path.rpartition("/")[0]
    with reaching(store.root):
        names = [name for name in store.children(folder) if name.endswith(".json")]
        listings = store.read_many(f"{folder}/{name}" for name in names)
    for name, data in listings.items():
        piece = Piece.model_validate_json(data)
        for version, files in piece.files.items():
            if path in files:
                rows = piece.rows | {version: piece.rows[version] - fewer}
                changed = piece.model_copy(update={"rows": rows})
                with reaching(store.root):
                    store.replace(name, changed.model_dump_json().encode())


def _drop_caches(store: Store, model: str) -> None:
    """Remove what was made of snapshots and can be made again."""
    with reaching(store.root):
        for file in list_cached(store):
            file.unlink(missing_ok=True)
        for kind in ("champions", "yardsticks"):
            for name in store.children(f"monitoring/{model}/{kind}"):
                store.remove(f"monitoring/{model}/{kind}/{name}")
