"""Decoders of JSON for one model's columns: one row, a list of rows, or an object of columns.

By msgspec, whose structs are defined from the columns; it does not see a name that is given twice.
"""

import json
from collections.abc import Callable
from typing import Any

import msgspec
import polars as pl
from msgspec import UNSET, UnsetType

from bentos.columns import Column
from bentos.errors import RequestRefused


def make_decoders(
    columns: tuple[Column, ...], kind: Callable[[pl.DataType], Any]
) -> "tuple[msgspec.json.Decoder[Any], ...]":
    """Make what decodes one row, a list of rows, and an object of columns."""
    row, table = _define("Row", columns, kind), _define("Columns", columns, kind, lists=True)
    asked: Any = msgspec.defstruct("Body", [("columns", table)], forbid_unknown_fields=True)
    shapes: Any = (row, list[row], asked)  # type: ignore[valid-type]
    return tuple(msgspec.json.Decoder(shape) for shape in shapes)


def _define(
    name: str,
    columns: tuple[Column, ...],
    json_kind: Callable[[pl.DataType], Any],
    lists: bool = False,
) -> type[msgspec.Struct]:
    """Define the object that rows, or columns, are decoded to; names may be any text."""
    fields: list[Any] = []
    for n, column in enumerate(columns):
        kind: Any = json_kind(column.dtype)
        kind = kind if kind is None else kind | None
        kind = list[kind] if lists else kind
        fields.append((f"c{n}", kind) if column.required else (f"c{n}", kind | UnsetType, UNSET))
    rename = {f"c{n}": column.name for n, column in enumerate(columns)}
    return msgspec.defstruct(name, fields, rename=rename, forbid_unknown_fields=True, gc=False)


def check_names_once(body: bytes, quotes: int) -> None:
    """Refuse an object that names a field twice, where JSON parsers disagree on what counts.

    A body without duplicates has two quotes for each name and each text value, and no more.
    """
    if b"\\" in body or body.count(b'"') != quotes:
        json.loads(body, object_pairs_hook=_refuse_duplicates, parse_int=str, parse_float=str)


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> None:
    seen = set()
    for name, _ in pairs:
        if name in seen:
            raise RequestRefused(400, "is given twice", name)
        seen.add(name)
