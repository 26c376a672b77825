"""The prediction log, read back: what was asked and answered, as few files by version.

A busy service writes a part every few seconds. Each hour that is over is put together once, under
`monitoring/NAME/hours/DATE/`; parts that come late are added to it. Owns which parts were taken and
which could not be. Refuses to change or remove a part, and to know what came true.
"""

import logging
import secrets
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import polars as pl

from tasks.definition import Definition, Frozen
from tasks.errors import first_line
from tasks.labels import TIME
from tasks.sources import event_time
from tasks.store import Store, is_bucket, reaching, scan_options

log = logging.getLogger("perennial.monitoring")

ASKED, REQUEST, VERSION, PREDICTION = (
    f"__{name}" for name in ("time", "request", "version", "prediction")
)
_META = (ASKED, REQUEST, VERSION, PREDICTION)

_CLOSES = timedelta(minutes=10)  # after its hour: a part is named when it is written
_SETTLES = timedelta(days=1)  # after that nobody looks for late parts any more
_AT_ONCE = 64
_PIECE_ROWS = 250_000


class Hour(Frozen):
    """What was put together of one hour: the parts taken, those that could not be, and the files.

    `files` and `rows` are by version.
    """

    parts: tuple[str, ...]
    torn: dict[str, str]
    files: dict[str, tuple[str, ...]]
    rows: dict[str, int]


class Log(Frozen):
    """Where the logged rows of each version are; `torn` parts were left out, with the reason."""

    files: dict[str, tuple[str, ...]]
    rows: dict[str, int]
    torn: dict[str, str]

    def scan(self, version: str) -> pl.LazyFrame:
        """Scan a version's rows; a column that some of its files lack is null there."""
        frames = [
            pl.scan_parquet(
                found,
                glob=False,
                storage_options=scan_options(found[0]),
                missing_columns="insert",
                extra_columns="ignore",
            )
            for place in (True, False)
            if (found := [each for each in self.files[version] if is_bucket(each) == place])
        ]
        return pl.concat(frames, how="diagonal_relaxed")


def read_log(store: Store, model: str, since: datetime, now: datetime, folder: Path) -> Log:
    """Gather the rows that were logged since a time; hours still open are read into `folder`."""
    found: list[Hour] = []
    for day in _list_days(store, model, since):
        found += _read_day(store, model, day, now, folder)
    return _gather(found)


def add_moment(definition: Definition, rows: pl.LazyFrame) -> pl.LazyFrame:
    """Add each row's `TIME`: its event time, or when it was asked where it carries none."""
    schema, name = rows.collect_schema(), definition.extract.time
    asked = pl.col(ASKED)
    if name is None or name not in schema:
        return rows.with_columns(asked.alias(TIME))
    event = event_time(definition, schema)
    return rows.with_columns((asked if event is None else event.fill_null(asked)).alias(TIME))


def forget_hours(store: Store, model: str, keep: timedelta, now: datetime) -> None:
    """Remove what was put together of days that the definition no longer keeps."""
    oldest = f"{now - keep - timedelta(days=1):%Y-%m-%d}"
    with reaching(store.root):
        for day in store.children(f"monitoring/{model}/hours"):
            if day < oldest:
                store.remove(f"monitoring/{model}/hours/{day}")


def _list_days(store: Store, model: str, since: datetime) -> list[str]:
    first = f"{since:%Y-%m-%d}"
    with reaching(store.root):
        raw = store.children(f"predictions/{model}")
        kept = store.children(f"monitoring/{model}/hours")
    days = {day.removeprefix("date=") for day in raw if day.startswith("date=")} | {*kept}
    return sorted(day for day in days if day >= first)


def _read_day(store: Store, model: str, day: str, now: datetime, folder: Path) -> Iterator[Hour]:
    """Give what was put together of a day, and then its parts that were not yet."""
    at = f"monitoring/{model}/hours/{day}"
    with reaching(store.root):
        names = [name for name in store.children(at) if name.endswith(".json")]
        kept = store.read_many(f"{at}/{name}" for name in names)
    done = {path.rpartition("/")[2]: Hour.model_validate_json(data) for path, data in kept.items()}
    yield from (_locate(store, each) for each in done.values())
    if done and now - _parse(day) > _SETTLES + timedelta(days=1):
        return
    with reaching(store.root):
        hours = store.children(f"predictions/{model}/date={day}")
    for hour in sorted(each.removeprefix("hour=") for each in hours if each.startswith("hour=")):
        taken = [each for name, each in done.items() if name.startswith(f"{hour}-")]
        yield from _read_hour(store, model, (day, hour), taken, now, folder)


def _read_hour(
    store: Store,
    model: str,
    at: tuple[str, str],
    taken: Sequence[Hour],
    now: datetime,
    folder: Path,
) -> Iterator[Hour]:
    day, hour = at
    path = f"predictions/{model}/date={day}/hour={hour}"
    with reaching(store.root):
        names = store.children(path)
    known = {name for each in taken for name in each.parts}
    parts = [f"{path}/{name}" for name in names if name not in known]
    if not parts:
        return
    closed = now - _parse(day, hour) > timedelta(hours=1) + _CLOSES
    target = f"monitoring/{model}/hours/{day}"
    made = _put_together(store, parts, target if closed else "", folder)
    if closed:
        try:
            with reaching(store.root):
                data = made.model_dump_json().encode()
                store.create(f"{target}/{hour}-{len(taken):03}.json", data)
        except FileExistsError:
            log.info("%s %s:00 was put together by another run meanwhile", day, hour)
    yield _locate(store, made) if closed else made


def _put_together(store: Store, parts: Sequence[str], target: str, folder: Path) -> Hour:
    """Write parts' rows as few files: under the root at `target`, or into `folder` without one."""
    torn: dict[str, str] = {}
    files: dict[str, list[str]] = {}
    rows: dict[str, int] = {}
    waiting: list[pl.DataFrame] = []

    def flush() -> None:
        for version, frame in _by_version(waiting).items():
            place = _write(store, frame, target, folder)
            files.setdefault(version, []).append(place)
            rows[version] = rows.get(version, 0) + len(frame)
        waiting.clear()

    for path, part in _read_parts(store, parts):
        if isinstance(part, str):
            torn[path] = part
        else:
            waiting.append(part)
        if sum(map(len, waiting)) >= _PIECE_ROWS:
            flush()
    flush()
    return Hour(
        parts=tuple(path.rpartition("/")[2] for path in parts),
        torn=torn,
        files={version: tuple(each) for version, each in files.items()},
        rows=rows,
    )


def _read_parts(store: Store, parts: Sequence[str]) -> Iterator[tuple[str, pl.DataFrame | str]]:
    """Read parts, a few at a time; what is no part of a log comes as the reason why."""
    for start in range(0, len(parts), _AT_ONCE):
        with reaching(store.root):
            found = store.read_many(parts[start : start + _AT_ONCE])
        for path, data in found.items():
            yield path, _parse_part(data)


def _parse_part(data: bytes) -> pl.DataFrame | str:
    if not data:
        return "is empty"
    try:
        part = pl.read_parquet(BytesIO(data))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        return f"cannot be read: {first_line(error)}"
    lacking = [name for name in _META if name not in part.columns]
    return f"is no part of a prediction log: it lacks {lacking[0]}" if lacking else part


def _by_version(parts: Sequence[pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """Put the rows of each version together; columns may differ between versions only."""
    found: dict[str, list[pl.DataFrame]] = {}
    for part in parts:
        for (version,), rows in part.partition_by(VERSION, as_dict=True).items():
            found.setdefault(str(version), []).append(rows)
    return {version: pl.concat(rows, how="diagonal_relaxed") for version, rows in found.items()}


def _write(store: Store, frame: pl.DataFrame, target: str, folder: Path) -> str:
    name = f"{secrets.token_hex(8)}.parquet"
    if not target:
        path = folder / name
        with reaching(str(path)):
            frame.write_parquet(path, compression="lz4")
        return str(path)
    buffer = BytesIO()
    frame.write_parquet(buffer, compression="zstd")
    with reaching(store.root):
        store.create(f"{target}/{name}", buffer.getvalue())
    return f"{target}/{name}"


def _locate(store: Store, hour: Hour) -> Hour:
    """Give the addresses of files that are kept under the root, which may move."""
    located = {
        version: tuple(f"{store.root}/{name}" for name in names)
        for version, names in hour.files.items()
    }
    return hour.model_copy(update={"files": located})


def _gather(hours: Sequence[Hour]) -> Log:
    files: dict[str, tuple[str, ...]] = {}
    rows: dict[str, int] = {}
    torn: dict[str, str] = {}
    for hour in hours:
        torn |= hour.torn
        for version, names in hour.files.items():
            files[version] = files.get(version, ()) + names
            rows[version] = rows.get(version, 0) + hour.rows[version]
    return Log(files=files, rows=rows, torn=torn)


def _parse(day: str, hour: str = "00") -> datetime:
    return datetime.strptime(f"{day} {hour}", "%Y-%m-%d %H").replace(tzinfo=UTC)
