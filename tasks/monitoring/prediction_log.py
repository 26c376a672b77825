"""The prediction log, read back: rows and predictions as few files, by version.

A busy service writes a small file (a part) every few seconds. Parts of hours that are over are put
together once, as a piece under `monitoring/NAME/pieces/DATE/`; late parts make a piece of their
own. Parts are never changed; `prune` may remove those of days that are settled.
"""

import logging
import secrets
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from io import BytesIO
from pathlib import Path

import polars as pl

from tasks.core.columns import FILE, LOGGED, LOGGED_TIME, LOGGED_VERSION, TIME
from tasks.core.definition import Definition, Frozen
from tasks.core.errors import first_line
from tasks.core.names import check_plain
from tasks.monitoring.log_pieces import (
    Piece,
    is_settled,
    list_days,
    list_parts,
    parse_hour,
    read_pieces,
)
from tasks.sources.query import event_time
from tasks.storage.store import Store, is_bucket, reaching, scan_options

log = logging.getLogger("perennial.monitoring")

_CLOSES = timedelta(minutes=10)  # after its hour: a part is named when it is written
_AT_ONCE = _MANY = 64
_PARSED_AT_ONCE, _PIECE_ROWS = 4, 250_000


class LoggedPredictions(Frozen):
    """Where the logged rows of each version are; `torn` parts were left out, with the reason."""

    files: dict[str, tuple[str, ...]]
    rows: dict[str, int]
    torn: dict[str, str]

    def scan(self, version: str) -> pl.LazyFrame:
        """Scan a version's rows, each with its `FILE`; a column that a file lacks is null."""
        frames = [
            pl.scan_parquet(
                found,
                glob=False,
                storage_options=scan_options(found[0]),
                missing_columns="insert",
                extra_columns="ignore",
                include_file_paths=FILE,
            )
            for place in (True, False)
            if (found := [each for each in self.files[version] if is_bucket(each) == place])
        ]
        return pl.concat(frames, how="diagonal_relaxed")

    def only(self, version: str, files: Sequence[str]) -> "LoggedPredictions":
        """Keep some of a version's files only."""
        return self.model_copy(update={"files": {version: tuple(files)}})


def read_log(
    store: Store, model: str, since: datetime, now: datetime, folder: Path
) -> LoggedPredictions:
    """Gather the rows that were logged since a time; the newest are copied into `folder`."""
    days = list_days(store, model, since)
    return _gather(piece for day in days for piece in _read_day(store, model, day, now, folder))


def add_moment(definition: Definition, rows: pl.LazyFrame) -> pl.LazyFrame:
    """Add each row's `TIME`: its event time, or when it was logged where it carries none."""
    schema, name = rows.collect_schema(), definition.extract.time
    asked = pl.col(LOGGED_TIME)
    if name is None or name not in schema:
        return rows.with_columns(asked.alias(TIME))
    event = event_time(definition, schema)
    return rows.with_columns((asked if event is None else event.fill_null(asked)).alias(TIME))


def _read_day(store: Store, model: str, day: str, now: datetime, folder: Path) -> Iterator[Piece]:
    """Give the pieces of a day, then the parts that are not in one of them."""
    pieces = read_pieces(store, f"monitoring/{model}/pieces/{day}")
    yield from (_locate(store, each) for each in pieces)
    if pieces and is_settled(day, now):
        return
    known = {part for each in pieces for part in each.parts}
    new = [part for part in list_parts(store, model, day) if part not in known]
    if closed := _choose_closed(new, day, now):
        yield _locate(store, _keep(store, model, day, closed, len(pieces), folder))
    if rest := [part for part in new if part not in {*closed}]:
        yield _put_together(store, model, day, rest, "", folder)


def _choose_closed(parts: Sequence[str], day: str, now: datetime) -> list[str]:
    """Choose parts of hours that are over, when the day is over too or when there are many."""
    found = [
        part for part in parts if now - parse_hour(day, part[:2]) > timedelta(hours=1) + _CLOSES
    ]
    return (
        found if len(found) >= _MANY or now - parse_hour(day) > timedelta(days=1) + _CLOSES else []
    )


def _keep(
    store: Store, model: str, day: str, parts: Sequence[str], number: int, folder: Path
) -> Piece:
    """Put parts together for good; a run at the same time makes the same rows."""
    target = f"monitoring/{model}/pieces/{day}"
    made = _put_together(store, model, day, parts, target, folder)
    try:
        with reaching(store.root):
            store.create(f"{target}/{number:03}.json", made.model_dump_json().encode())
    except FileExistsError:
        log.info("the log of %s was put together by another run meanwhile", day)
    return made


def _put_together(
    store: Store, model: str, day: str, parts: Sequence[str], target: str, folder: Path
) -> Piece:
    """Write parts' rows as few files: under the root at `target`, or into `folder` without one."""
    torn: dict[str, str] = {}
    files: dict[str, tuple[str, ...]] = {}
    rows: Counter[str] = Counter()
    waiting: list[pl.DataFrame] = []

    def flush() -> None:
        for version, frame in _by_version(waiting).items():
            files[version] = (*files.get(version, ()), _write(store, frame, target, folder))
            rows[version] += len(frame)
        waiting.clear()

    paths = [f"predictions/{model}/date={day}/hour={part}" for part in parts]
    for name, part in _read_parts(store, paths):
        if isinstance(part, str):
            torn[name] = part
        else:
            waiting.append(part)
        if sum(map(len, waiting)) >= _PIECE_ROWS:
            flush()
    flush()
    return Piece(parts=tuple(parts), torn=torn, files=files, rows=rows)


def _read_parts(store: Store, parts: Sequence[str]) -> Iterator[tuple[str, pl.DataFrame | str]]:
    """Read parts, a few at a time; one that cannot be read gives the reason."""
    with ThreadPoolExecutor(_PARSED_AT_ONCE) as pool:
        for start in range(0, len(parts), _AT_ONCE):
            with reaching(store.root):
                found = store.read_many(parts[start : start + _AT_ONCE])
            yield from zip(found, pool.map(_parse_part, found.values()), strict=True)


def _parse_part(data: bytes) -> pl.DataFrame | str:
    if not data:
        return "is empty"
    try:
        part = pl.read_parquet(BytesIO(data))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        return f"cannot be read: {first_line(error)}"
    lacking = [name for name in LOGGED if name not in part.columns]
    return f"is no part of a prediction log: it lacks {lacking[0]}" if lacking else part


def _by_version(parts: Sequence[pl.DataFrame]) -> dict[str, pl.DataFrame]:
    found: dict[str, list[pl.DataFrame]] = {}
    for part in parts:
        for (version,), rows in part.partition_by(LOGGED_VERSION, as_dict=True).items():
            found.setdefault(str(version), []).append(rows)
    return {version: pl.concat(rows, how="diagonal_relaxed") for version, rows in found.items()}


def _write(store: Store, frame: pl.DataFrame, target: str, folder: Path) -> str:
    name = f"{secrets.token_hex(8)}.parquet"
    if not target:
        with reaching(str(folder)):
            frame.write_parquet(folder / name, compression="lz4")
        return str(folder / name)
    buffer = BytesIO()
    frame.write_parquet(buffer, compression="zstd")
    with reaching(store.root):
        store.create(f"{target}/{name}", buffer.getvalue())
    return f"{target}/{name}"


def _locate(store: Store, piece: Piece) -> Piece:
    """Give the full addresses of a piece's files: the root may move."""
    located = {}
    for version, names in piece.files.items():
        for name in names:
            check_plain(name, store.root)
        located[version] = tuple(f"{store.root}/{name}" for name in names)
    return piece.model_copy(update={"files": located})


def _gather(pieces: Iterable[Piece]) -> LoggedPredictions:
    files: dict[str, tuple[str, ...]] = {}
    rows: Counter[str] = Counter()
    torn: dict[str, str] = {}
    for piece in pieces:
        torn |= piece.torn
        rows.update(piece.rows)
        for version, names in piece.files.items():
            files[version] = files.get(version, ()) + names
    return LoggedPredictions(files=files, rows=rows, torn=torn)
