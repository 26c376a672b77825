"""Parts and pieces of the prediction log: where they lie, and which parts are copies by now.

Responsible for their names and places. Not responsible for their rows, and for what makes a piece
(`prediction_log`).
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from tasks.core.definition import Frozen
from tasks.storage.store import Store, reaching

_SETTLES = timedelta(days=2)  # after its beginning, nobody looks for a day's late parts any more
EVER = datetime(1970, 1, 1, tzinfo=UTC)


class Piece(Frozen):
    """Parts of one day put together; `torn` ones could not be read. `files`, `rows` by version."""

    parts: tuple[str, ...]
    torn: dict[str, str]
    files: dict[str, tuple[str, ...]]
    rows: dict[str, int]


def list_days(store: Store, model: str, since: datetime) -> list[str]:
    with reaching(store.root):
        raw = store.children(f"predictions/{model}")
        days = {*store.children(f"monitoring/{model}/pieces")}
    days |= {day.removeprefix("date=") for day in raw if day.startswith("date=")}
    return sorted(day for day in days if day >= f"{since:%Y-%m-%d}")


def forget_days(store: Store, folder: str, oldest: datetime) -> None:
    """Remove the folders of days before a time."""
    with reaching(store.root):
        for day in store.children(folder):
            if day < f"{oldest:%Y-%m-%d}":
                store.remove(f"{folder}/{day}")


def read_pieces(store: Store, path: str) -> list[Piece]:
    with reaching(store.root):
        names = [name for name in store.children(path) if name.endswith(".json")]
        kept = store.read_many(f"{path}/{name}" for name in names)
    return [Piece.model_validate_json(data) for data in kept.values()]


def list_parts(store: Store, model: str, day: str) -> list[str]:
    """List a day's parts as HOUR/NAME."""
    path = f"predictions/{model}/date={day}"
    with reaching(store.root):
        hours = [name.removeprefix("hour=") for name in store.children(path)]
        return [
            f"{hour}/{name}"
            for hour in sorted(hours)
            if hour.isdecimal()
            for name in store.children(f"{path}/hour={hour}")
        ]


def is_settled(day: str, now: datetime) -> bool:
    """Tell whether a day's pieces are all that is read of it from now on."""
    return now - parse_hour(day) > _SETTLES


def list_copies(store: Store, model: str, now: datetime) -> list[str]:
    """List copies by path: parts of settled days, or a day all of whose parts are copies."""
    days = list_days(store, model, EVER)
    return [path for day in days if is_settled(day, now) for path in _copies_of(store, model, day)]


def _copies_of(store: Store, model: str, day: str) -> Iterator[str]:
    raw, target = f"predictions/{model}/date={day}", f"monitoring/{model}/pieces/{day}"
    with reaching(store.root):
        there = {f"{target}/{name}" for name in store.children(target)}
    whole = [
        piece
        for piece in read_pieces(store, target)
        if there.issuperset(name for names in piece.files.values() for name in names)
    ]
    torn = {path for piece in whole for path in piece.torn}
    known = {f"{raw}/hour={part}" for piece in whole for part in piece.parts} - torn
    parts = {f"{raw}/hour={part}" for part in list_parts(store, model, day)}
    copies = parts & known
    yield from [raw] if copies and copies == parts else sorted(copies)


def parse_hour(day: str, hour: str = "00") -> datetime:
    return datetime.strptime(f"{day} {hour}", "%Y-%m-%d %H").replace(tzinfo=UTC)
