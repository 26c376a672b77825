"""The request schema: bytes in, typed rows or a frame out, or the field that is wrong.

Owns decoding and validation of JSON and Arrow. Refuses to know features, models and HTTP.
"""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from typing import Any, Literal

import msgspec
import polars as pl
from msgspec import UNSET, UnsetType
from polars import selectors as cs

from bentos.arrow_limits import check_stream
from bentos.columns import TEXT, Column, find_rounding, json_type, loose_type, outer_limits
from bentos.errors import LONGEST_NAME, RequestRefused
from tasks.core.type_coercion import CoercionError, take_objects, take_values

Row = tuple[Any, ...]

_ASKS_FOR_COLUMNS = re.compile(rb'\s*\{\s*"columns"\s*:\s*\{')
# How msgspec complains of a field, and where it says that it was.
_UNKNOWN, _AT = "Object contains unknown field `", " - at `$"
_WHOLE = "`int | float"  # what it calls a whole number, as it may be written 2.0
_PLACE = re.compile(r"(\[\d+\]|\.columns)`")
_MOST_TEXT = 64_000_000  # bytes of all rows of an Arrow stream together
_ROW, _ROWS, _COLUMNS = range(3)  # the places of their decoders
_END_OF_STREAM = b"\xff\xff\xff\xff\x00\x00\x00\x00"


@dataclass(frozen=True, slots=True)
class ParsedRequest:
    """What a request asks about: its rows as tuples or as a frame, and how they were written."""

    shape: Literal["row", "rows", "columns", "arrow"]
    rows: Sequence[Row] = ()
    frame: pl.DataFrame | None = None


class RequestSchema:
    """Decoders for one model's columns."""

    def __init__(self, columns: tuple[Column, ...], max_rows: int) -> None:
        self.columns = columns
        self.max_rows = max_rows
        self.types = {column.name: column.dtype for column in columns}
        self._row, self._rows, self._table = _make_decoders(columns, json_type)
        self._whole = [n for n, column in enumerate(columns) if column.dtype.is_integer()]
        self._text = [n for n, column in enumerate(columns) if column.is_written_as_text]
        limits = enumerate(outer_limits(column.dtype) for column in columns)
        self._limits = [(n, *limit) for n, limit in limits if limit is not None]
        roundings = enumerate(find_rounding(column.dtype) for column in columns)
        self._rounded = [(n, rounds) for n, rounds in roundings if rounds is not None]
        self._needed = sum(column.required for column in columns)
        self._left_out = (UNSET,) * (len(columns) - self._needed)
        texts = sum(column.is_written_as_text for column in columns[: self._needed])
        self._usual_quotes = 2 * (self._needed + texts)

    def decode_row(self, body: bytes) -> Row:
        """Decode a JSON object that is one row: the common case, and the quick one."""
        try:
            row: Row = msgspec.structs.astuple(self._row.decode(body))
            for n in self._whole:  # not by a call, nor a comprehension: each costs every request
                if type(row[n]) is float:
                    row = self._make_whole(row)
                    break
        except ValueError as error:
            row = tuple(values[0] for values in self._take_loosely(_ROW, body, error))
            return self._settle(row)
        quotes = self._usual_quotes
        if None in row or row.count(UNSET) != len(self._left_out):
            quotes = 2 * (len(row) - row.count(UNSET) + self._count_text([row]))
        _check_names_once(body, quotes)
        return self._settle(row)

    def decode_json(self, body: bytes) -> ParsedRequest:
        """Decode one row, a list of rows, or an object of columns."""
        if body.lstrip()[:1] == b"[":
            return self._decode_rows(body)
        if _ASKS_FOR_COLUMNS.match(body):
            return self._decode_columns(body)
        return ParsedRequest("row", [self.decode_row(body)])

    def decode_arrow(self, body: bytes) -> ParsedRequest:
        """Decode an Arrow IPC stream whose columns are those of the schema."""
        if not body.endswith(_END_OF_STREAM):
            raise RequestRefused(
                400, "the Arrow stream is truncated: it lacks its end-of-stream mark"
            )
        check_stream(body, self.max_rows)
        try:
            frame = pl.read_ipc_stream(BytesIO(body))
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError):
            raise RequestRefused(400, "the body is no valid Arrow IPC stream") from None
        self._check_size(len(frame))
        return ParsedRequest("arrow", frame=self._check_frame(frame))

    def frame(self, rows: Sequence[Row]) -> pl.DataFrame:
        """Put rows into a frame of the schema's types."""
        return make_frame(self.columns, zip(*rows, strict=True))

    def _decode_rows(self, body: bytes) -> ParsedRequest:
        try:
            decoded = self._rows.decode(body)
            rows = list(map(msgspec.structs.astuple, decoded))
            if any(type(row[n]) is float for n in self._whole for row in rows):
                rows = [self._make_whole(row) for row in rows]
        except ValueError as error:
            lists = self._take_loosely(_ROWS, body, error)
            return ParsedRequest("rows", [self._settle(row) for row in zip(*lists, strict=True)])
        self._check_size(len(rows))
        names = sum(len(row) - row.count(UNSET) for row in rows)
        _check_names_once(body, 2 * (names + self._count_text(rows)))
        return ParsedRequest("rows", [self._settle(row) for row in rows])

    def _decode_columns(self, body: bytes) -> ParsedRequest:
        try:
            lists = list(msgspec.structs.astuple(self._table.decode(body).columns))
            for n in self._whole:
                lists[n] = UNSET if lists[n] is UNSET else _make_whole(lists[n])
        except ValueError as error:
            return self._settle_columns(self._take_loosely(_COLUMNS, body, error))
        self._check_lengths(lists)
        names = 1 + len(lists) - sum(each is UNSET for each in lists)
        texts = sum(
            len(lists[n]) - lists[n].count(None) for n in self._text if lists[n] is not UNSET
        )
        _check_names_once(body, 2 * (names + texts))
        return self._settle_columns(lists)

    def _settle_columns(self, lists: Sequence[Any]) -> ParsedRequest:
        rows = len(next(each for each in lists if each is not UNSET))
        for n, least, most in self._limits:
            for value in () if lists[n] is UNSET else lists[n]:
                self._check_limits(n, value, least, most)
        for n, rounds in self._rounded:
            for value in () if lists[n] is UNSET else lists[n]:
                self._check_rounding(n, value, rounds)
        filled = [[None] * rows if each is UNSET else each for each in lists]
        return ParsedRequest("columns", frame=make_frame(self.columns, filled))

    def _take_loosely(self, shape: int, body: bytes, error: ValueError) -> list[Any]:
        """Take by the rule itself what the quick way, which takes less, does not: by columns."""
        if not isinstance(error, msgspec.ValidationError):
            raise _explain(error, body) from None
        try:
            decoded = self._loose[shape].decode(body)
        except ValueError:
            raise _explain(error, body) from None
        _check_names_once(body, -1)
        if shape == _COLUMNS:
            lists = msgspec.structs.astuple(decoded.columns)
            self._check_lengths(lists)
        else:
            found = decoded if shape == _ROWS else [decoded]
            self._check_size(len(found))
            lists = tuple(zip(*map(msgspec.structs.astuple, found), strict=True))
        pairs = zip(self.columns, lists, strict=True)
        return [each if each is UNSET else _take_list(column, each) for column, each in pairs]

    def _make_whole(self, row: Row) -> Row:
        floats = [n for n in self._whole if type(row[n]) is float]
        if not floats:
            return row
        values = list(row)
        for n, value in zip(floats, _make_whole([row[n] for n in floats]), strict=True):
            values[n] = value
        return tuple(values)

    @cached_property
    def _loose(self) -> "tuple[msgspec.json.Decoder[Any], ...]":
        return _make_decoders(self.columns, loose_type)

    def _check_lengths(self, lists: Sequence[Any]) -> None:
        rows = len(next(each for each in lists if each is not UNSET))
        self._check_size(rows)
        for column, values in zip(self.columns, lists, strict=True):
            if values is not UNSET and len(values) != rows:
                raise RequestRefused(
                    400, f"has {len(values)} values, others have {rows}", column.name
                )

    def _settle(self, row: Row) -> Row:
        """Fill in what was left out, and refuse what Polars could not hold."""
        for n, least, most in self._limits:
            self._check_limits(n, row[n], least, most)
        for n, rounds in self._rounded:
            self._check_rounding(n, row[n], rounds)
        if UNSET not in row:
            return row
        if row[self._needed :] == self._left_out:
            return row[: self._needed] + (None,) * len(self._left_out)
        return tuple([None if value is UNSET else value for value in row])

    def _check_limits(self, n: int, value: Any, least: Any, most: Any) -> None:
        if value is not None and value is not UNSET and not least <= value <= most:
            raise RequestRefused(400, f"must lie between {least} and {most}", self.columns[n].name)

    def _check_rounding(self, n: int, value: Any, rounds: Callable[[Any], bool]) -> None:
        if value is not None and value is not UNSET and rounds(value):
            column = self.columns[n]
            raise RequestRefused(400, f"holds a value that {column.dtype} cannot", column.name)

    def _check_size(self, rows: int) -> None:
        if not rows:
            raise RequestRefused(400, "there are no rows to answer")
        if rows > self.max_rows:
            raise RequestRefused(
                413, f"more rows than the {self.max_rows} that one request may hold"
            )

    def _count_text(self, rows: Sequence[Row]) -> int:
        return sum(row[n] is not None and row[n] is not UNSET for row in rows for n in self._text)

    def _check_frame(self, frame: pl.DataFrame) -> pl.DataFrame:
        for name in frame.columns:
            if name not in self.types:
                raise RequestRefused(400, "is not a column of this model", name)
        for column in self.columns:
            if column.required and column.name not in frame.columns:
                raise RequestRefused(400, "is missing", column.name)
        # A text that many rows share is sent once, but would be written out for each of them.
        if sum(_count_bytes(each) for each in frame.select(cs.by_dtype(*TEXT))) > _MOST_TEXT:
            raise RequestRefused(413, f"the text of all rows is longer than {_MOST_TEXT} bytes")
        return pl.DataFrame([_check_column(frame, column) for column in self.columns])


def make_frame(columns: Sequence[Column], values: Iterable[Sequence[Any]]) -> pl.DataFrame:
    """Put columns' values into a frame of their types."""
    pairs = zip(columns, values, strict=True)
    return pl.DataFrame([_make_column(column, each) for column, each in pairs])


def _check_names_once(body: bytes, quotes: int) -> None:
    """Refuse an object that names a field twice, where JSON parsers disagree on what counts.

    A body without duplicates has two quotes for each name and each text value, and no more.
    """
    if b"\\" in body or body.count(b'"') != quotes:
        json.loads(body, object_pairs_hook=_refuse_duplicates, parse_int=str, parse_float=str)


def _make_column(column: Column, values: Sequence[Any]) -> pl.Series:
    try:
        if column.dtype.is_decimal():  # JSON's number is the nearest decimal, or none that fits
            return pl.Series(column.name, values, dtype=pl.Float64).cast(column.dtype)
        return pl.Series(column.name, values, dtype=column.dtype)
    except (pl.exceptions.PolarsError, OverflowError, TypeError, ValueError):
        raise RequestRefused(
            400, f"holds a value that {column.dtype} cannot", column.name
        ) from None


def _check_column(frame: pl.DataFrame, column: Column) -> pl.Series:
    if column.name not in frame.columns:
        return pl.Series(column.name, [None] * len(frame), dtype=column.dtype)
    given = frame[column.name]
    return _take(column, lambda _, values, wanted: take_values(values, wanted), given)


def _make_whole(values: list[Any]) -> list[Any]:
    """Turn floats into the whole numbers that they are; ValidationError where one is none."""
    if float not in map(type, values):
        return values
    if not all(value.is_integer() for value in values if type(value) is float):
        raise msgspec.ValidationError("Expected `int`, got `float`")
    return [int(value) if type(value) is float else value for value in values]


def _take_list(column: Column, values: Sequence[Any]) -> list[Any]:
    """Give values as they are decoded where they are usual, or else by the rule."""
    held = [None if value is UNSET else value for value in values]
    kind: Any = json_type(column.dtype)
    kinds: Any = list[kind if kind is None else kind | None]  # type: ignore[misc]
    try:
        usual = list(msgspec.convert(held, kinds))
        return _make_whole(usual) if column.dtype.is_integer() else usual
    except msgspec.ValidationError:
        taken = _take(column, take_objects, held)
        return (taken.cast(pl.Float64) if column.dtype.is_decimal() else taken).to_list()


def _take(column: Column, take: Callable[..., pl.Series], values: Any) -> pl.Series:
    try:
        return take(column.name, values, column.dtype)
    except CoercionError as why:
        raise RequestRefused(400, str(why), column.name) from None


def _count_bytes(text: pl.Series) -> int:
    lengths = text.str.len_bytes() if text.dtype == pl.String else text.cat.len_bytes()
    return int(lengths.sum())


def _make_decoders(
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


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> None:
    seen = set()
    for name, _ in pairs:
        if name in seen:
            raise RequestRefused(400, "is given twice", name)
        seen.add(name)


def _explain(error: Exception, body: bytes) -> RequestRefused:
    """Turn a decoder's complaint into a message that names the field."""
    if isinstance(error, UnicodeDecodeError):
        return RequestRefused(400, "the body is not UTF-8", _field_before(body, _bad_byte(body)))
    said = str(error)
    if isinstance(error, msgspec.ValidationError):
        if said.startswith(_UNKNOWN):
            name = _unknown_name(said)[:LONGEST_NAME]
            return RequestRefused(400, f"Object contains unknown field {name}", name)
        message, _, path = said.replace(_WHOLE, "`int").partition(_AT)
        named = message.partition("field `")[2].removesuffix("`")
        return RequestRefused(
            400, message.replace("`", ""), named or _last_name(path.removesuffix("`"))
        )
    place = re.search(r"byte (\d+)", said)
    return RequestRefused(400, said, _field_before(body, int(place[1])) if place else None)


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
