"""Request validation: bytes of JSON or Arrow in, typed rows or a frame out, or the wrong field.

Not responsible for HTTP, features and models.
"""

import json
import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from typing import Any, Literal

import msgspec
import polars as pl
from msgspec import UNSET

from bentos.arrow_limits import check_stream
from bentos.column_values import check_frame, make_frame, make_whole, take_list
from bentos.columns import Column, Row, Rows, find_rounding, json_type, loose_type, outer_limits
from bentos.errors import RequestRefused
from bentos.json_decoders import check_names_once, explain_json_error, make_decoders
from bentos.plain_words import show_value
from bentos.refusals import refuse_value

log = logging.getLogger("perennial.serving")

_ASKS_FOR_COLUMNS = re.compile(rb'\s*\{\s*"columns"\s*:\s*\{')
_ROW, _ROWS, _COLUMNS = range(3)  # the places of their decoders
_END_OF_STREAM = b"\xff\xff\xff\xff\x00\x00\x00\x00"


@dataclass(frozen=True, slots=True)
class ParsedRequest:
    """What a request asks about: its rows as tuples or as a frame, and how they were written."""

    shape: Literal["row", "rows", "columns", "arrow"]
    rows: Rows


class RequestSchema:
    """Decoders for one model's columns."""

    def __init__(self, columns: tuple[Column, ...], max_rows: int) -> None:
        self.columns = columns
        self.max_rows = max_rows
        self.types = {column.name: column.dtype for column in columns}
        self._row, self._rows, self._table = make_decoders(columns, json_type)
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
                    row = self._make_row_whole(row)
                    break
        except ValueError as error:
            row = tuple(values[0] for values in self._take_loosely(_ROW, body, error))
            return self._settle(row)
        quotes = self._usual_quotes
        if None in row or row.count(UNSET) != len(self._left_out):
            quotes = 2 * (len(row) - row.count(UNSET) + self._count_text([row]))
        check_names_once(body, quotes)
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
        return ParsedRequest("arrow", check_frame(self.columns, frame))

    def _decode_rows(self, body: bytes) -> ParsedRequest:
        try:
            decoded = self._rows.decode(body)
            rows = list(map(msgspec.structs.astuple, decoded))
            if any(type(row[n]) is float for n in self._whole for row in rows):
                rows = [self._make_row_whole(row) for row in rows]
        except ValueError as error:
            lists = self._take_loosely(_ROWS, body, error)
            return ParsedRequest("rows", [self._settle(row) for row in zip(*lists, strict=True)])
        self._check_size(len(rows))
        names = sum(len(row) - row.count(UNSET) for row in rows)
        check_names_once(body, 2 * (names + self._count_text(rows)))
        return ParsedRequest("rows", [self._settle(row) for row in rows])

    def _decode_columns(self, body: bytes) -> ParsedRequest:
        try:
            lists = list(msgspec.structs.astuple(self._table.decode(body).columns))
            for n in self._whole:
                lists[n] = UNSET if lists[n] is UNSET else make_whole(lists[n])
        except ValueError as error:
            return self._settle_columns(self._take_loosely(_COLUMNS, body, error))
        self._check_lengths(lists)
        names = 1 + len(lists) - sum(each is UNSET for each in lists)
        texts = sum(
            len(lists[n]) - lists[n].count(None) for n in self._text if lists[n] is not UNSET
        )
        check_names_once(body, 2 * (names + texts))
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
        return ParsedRequest("columns", make_frame(self.columns, filled))

    def _take_loosely(self, shape: int, body: bytes, error: ValueError) -> list[Any]:
        """Take by the rule itself what the quick way, which takes less, does not: by columns."""
        if not isinstance(error, msgspec.ValidationError):
            raise explain_json_error(error, body, self.columns) from None
        try:
            decoded = self._loose[shape].decode(body)
        except ValueError:
            raise explain_json_error(error, body, self.columns) from None
        check_names_once(body, -1)
        if shape == _COLUMNS:
            lists = msgspec.structs.astuple(decoded.columns)
            self._check_lengths(lists)
        else:
            found = decoded if shape == _ROWS else [decoded]
            self._check_size(len(found))
            lists = tuple(zip(*map(msgspec.structs.astuple, found), strict=True))
        pairs = zip(self.columns, lists, strict=True)
        return [each if each is UNSET else take_list(column, each) for column, each in pairs]

    def _make_row_whole(self, row: Row) -> Row:
        floats = [n for n in self._whole if type(row[n]) is float]
        if not floats:
            return row
        values = list(row)
        for n, value in zip(floats, make_whole([row[n] for n in floats]), strict=True):
            values[n] = value
        return tuple(values)

    @cached_property
    def _loose(self) -> "tuple[msgspec.json.Decoder[Any], ...]":
        return make_decoders(self.columns, loose_type)

    def _check_lengths(self, lists: Sequence[Any]) -> None:
        rows = len(next(each for each in lists if each is not UNSET))
        self._check_size(rows)
        for column, values in zip(self.columns, lists, strict=True):
            if values is not UNSET and len(values) != rows:
                told = f"{column.name} has {len(values)} values and another column has {rows}; "
                raise RequestRefused(400, f"{told}give one for each row", column.name)

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
            column = self.columns[n]
            told = (
                f"{column.name} must lie between {least} and {most}; {show_value(value)} does not"
            )
            raise RequestRefused(400, told, column.name)

    def _check_rounding(self, n: int, value: Any, rounds: Callable[[Any], bool]) -> None:
        if value is not None and value is not UNSET and rounds(value):
            raise refuse_value(self.columns[n], f"{show_value(value)} would be rounded")

    def _check_size(self, rows: int) -> None:
        if not rows:
            raise RequestRefused(400, "there are no rows to answer; send one at least")
        if rows > self.max_rows:
            raise RequestRefused(
                413,
                f"there are more rows than the {self.max_rows} that a request may hold",
            )

    def _count_text(self, rows: Sequence[Row]) -> int:
        return sum(row[n] is not None and row[n] is not UNSET for row in rows for n in self._text)


def read_examples(schema: RequestSchema, data: bytes) -> tuple[bytes, ...]:
    """Read the example rows, each as a body; none where the service itself would refuse one."""
    examples = tuple(json.dumps(row, ensure_ascii=False).encode() for row in json.loads(data))
    try:
        for example in examples:
            schema.decode_row(example)
    except RequestRefused as refused:
        log.warning("the example rows are not shown: %s", refused)
        return ()
    return examples
