"""Persons whose rows were forgotten: records in the root that hold no value in clear.

Responsible for what a record says, for its key as a salted digest, and for telling whether a row is
one of theirs, so that later extractions leave it out. Not responsible for removing what there is
(`maintenance.forget`).
"""

import hashlib
import json
import secrets
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import polars as pl
from pydantic import ValidationError

from tasks.core.definition import Frozen
from tasks.core.errors import DefinitionError, StoreError
from tasks.core.names import check_model
from tasks.registry.ledger import name_os_user
from tasks.storage.store import Store, reaching

_SALT_BYTES = 16


class Forgotten(Frozen):
    """A key that is forgotten: its columns, and a digest of their values with a salt."""

    columns: tuple[str, ...]
    salt: str
    digest: str


class Record(Frozen):
    """What was forgotten, when, and which versions had learned from it; `done` once it was removed.

    `unknown` are versions whose snapshot is gone: whether they learned from it nobody can tell.
    """

    number: int
    time: datetime
    os_user: str
    key: Forgotten
    done: bool
    versions: tuple[str, ...]
    unknown: tuple[str, ...]
    removed: dict[str, int]


def conceal(records: Sequence[Record], values: Mapping[str, str]) -> Forgotten:
    """Give the digest of a key; all records of a model share one salt."""
    salt = records[0].key.salt if records else secrets.token_hex(_SALT_BYTES)
    columns = tuple(sorted(values))
    digest = _digest(salt, columns, tuple(values[name] for name in columns))
    return Forgotten(columns=columns, salt=salt, digest=digest)


def read_records(store: Store, model: str) -> list[Record]:
    """Read a model's records in their order; StoreError for one that is damaged or missing."""
    path = f"forgotten/{check_model(model)}"
    with reaching(store.root):
        names = store.children(path)
        found = store.read_many(f"{path}/{name}" for name in names)
    records = []
    for number, (name, data) in enumerate(sorted(found.items()), start=1):
        try:
            records.append(Record.model_validate_json(data))
        except ValidationError as error:
            raise StoreError(f"{store.root}/{name}: is damaged; restore it") from error
        if records[-1].number != number or name != _path(model, number):
            raise StoreError(f"{store.root}/{_path(model, number)}: is missing; restore it")
    return records


def add_record(store: Store, model: str, after: int, **said: Any) -> Record:
    """Write a new record, never over one that is there."""
    number = after + 1
    record = Record(number=number, time=datetime.now(UTC), os_user=name_os_user(), **said)
    try:
        with reaching(store.root):
            store.create(_path(model, number), record.model_dump_json(indent=1).encode())
    except FileExistsError as error:
        raise StoreError(
            f"{model}: somebody else forgets at the same time; run it again"
        ) from error
    return record


def list_keys(records: Iterable[Record]) -> tuple[Forgotten, ...]:
    return tuple(dict.fromkeys(record.key for record in records))


def key_text(column: str, dtype: pl.DataType) -> pl.Expr:
    """Give a column's values as text that does not depend on how numbers and times are kept."""
    value = pl.col(column)
    if dtype.is_float():
        whole = value.cast(pl.Int64, strict=False)
        return pl.when(whole == value).then(whole.cast(pl.String)).otherwise(value.cast(pl.String))
    if dtype in (pl.Datetime, pl.Date):
        return value.cast(pl.Datetime("us")).to_physical().cast(pl.String)
    return value.cast(pl.String)


def is_forgotten(keys: Iterable[Forgotten], columns: Mapping[str, pl.DataType]) -> pl.Expr:
    """Give an expression that is true for each row of a forgotten person.

    Raises DefinitionError where a column is gone by which somebody was forgotten.
    """
    found = pl.lit(False)
    grouped: dict[tuple[tuple[str, ...], str], set[str]] = defaultdict(set)
    for key in keys:
        grouped[key.columns, key.salt].add(key.digest)
    for (names, salt), digests in grouped.items():
        if missing := [name for name in names if name not in columns]:
            raise DefinitionError(
                f"[extract] query: gives no column {missing[0]!r}, by which rows were forgotten "
                "(`perennial forget`); let it stay, or they would come back"
            )
        values = pl.struct(key_text(name, columns[name]).alias(name) for name in names)
        found |= values.map_batches(
            _Finder(names, salt, frozenset(digests)), return_dtype=pl.Boolean, is_elementwise=True
        )
    return found


class _Finder:
    """Looks each row's key up among digests."""

    def __init__(self, names: tuple[str, ...], salt: str, digests: frozenset[str]) -> None:
        self.names, self.salt, self.digests = names, salt, digests

    def __call__(self, values: pl.Series) -> pl.Series:
        rows = values.struct.unnest().rows()
        found = [_digest(self.salt, self.names, row) in self.digests for row in rows]
        return pl.Series(found, dtype=pl.Boolean)


@lru_cache(100_000)
def _digest(salt: str, columns: tuple[str, ...], values: tuple[str | None, ...]) -> str:
    return hashlib.sha256(json.dumps([salt, columns, values]).encode()).hexdigest()


def _path(model: str, number: int) -> str:
    return f"forgotten/{check_model(model)}/{number:06d}.json"
