"""Decoders of JSON for one model's columns, and what they complain of as a message for the client.

By msgspec, whose structs are defined from the columns; it does not see a name that is given twice.
"""

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import polars as pl
from msgspec import UNSET, UnsetType

from bentos.columns import Column
from bentos.errors import LONGEST_NAME, RequestRefused
from bentos.refusals import refuse_kind, refuse_missing, refuse_unknown

# How msgspec complains of a field, and where it says that it was.
_UNKNOWN, _AT = "Object contains unknown field `", " - at `$"
_MISSING = "Object missing required field `"
_NO_NUMBER = re.compile(rb"[-+]?(nan|inf)", re.IGNORECASE)
_WHOLE = "`int | float"  # what it calls a whole number, as it may be written 2.0
_PLACE = re.compile(r"(\[\d+\]|\.columns)`")


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
            raise RequestRefused(400, f"{name[:LONGEST_NAME]} is given twice; give it once", name)
        seen.add(name)


def explain_json_error(error: Exception, body: bytes, columns: Sequence[Column]) -> RequestRefused:
    """Turn a decoder's complaint into a sentence that names the field."""
    if isinstance(error, UnicodeDecodeError):
        return RequestRefused(400, "the body is not UTF-8", _field_before(body, _bad_byte(body)))
    said = str(error)
    if not isinstance(error, msgspec.ValidationError):
        return _explain_syntax(said, body)
    if said.startswith(_UNKNOWN):
        return refuse_unknown(columns, _unknown_name(said))
    message, _, path = said.replace(_WHOLE, "`int").partition(_AT)
    if message.startswith(_MISSING):
        return refuse_missing(columns, message.removeprefix(_MISSING).removesuffix("`"))
    return refuse_kind(columns, _last_name(path.removesuffix("`")), message)


def _explain_syntax(said: str, body: bytes) -> RequestRefused:
    place = re.search(r"byte (\d+)", said)
    if not place:
        ends = "ends before its JSON does" if body.strip() else "is empty; send a row as JSON"
        told = f"the body {ends}" if "truncated" in said or not body.strip() else said
        return RequestRefused(400, told)
    at = int(place[1])
    field = _field_before(body, at)
    if field is not None and _NO_NUMBER.match(body, at):
        told = f"{field} holds what JSON cannot say, NaN or infinity; send null where it is missing"
        return RequestRefused(400, told, field)
    return RequestRefused(400, f"the body is no JSON: {said.partition(': ')[2] or said}", field)


def _unknown_name(said: str) -> str:
    """Read the name that a client gave, of any length and with anything in it."""
    given = said.removeprefix(_UNKNOWN)
    name, _, place = given.rpartition(_AT)
    return (name if _PLACE.fullmatch(place) else given).removesuffix("`")


def _last_name(path: str) -> str | None:
    """Read the column's name from a path as msgspec writes it, as in `[3].temp` or `.columns.a`."""
    inside = re.sub(r"^(\[\d*\]|\[\.\.\.\])?(\.columns(?=\.))?\.?", "", path)
    return re.sub(r"\[(\d+|\.\.\.)\]$", "", inside) or None


def _bad_byte(body: bytes) -> int:
    """Find the first byte that is no UTF-8."""
    try:
        body.decode()
    except UnicodeDecodeError as error:
        return error.start
    return len(body)


def _field_before(body: bytes, place: int) -> str | None:
    """Name the field whose value stands at a place of a body that is no JSON."""
    names = re.findall(rb'"([^"\\]{1,200})"\s*:', body[max(0, place - 2_000) : place])
    return names[-1].decode(errors="replace") if names else None
