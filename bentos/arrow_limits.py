"""Limits of an Arrow IPC stream, read from its messages' heads before anything is unpacked.

A body of some kilobytes may claim, and by compression hold, gigabytes. By hand, as Arrow's readers
unpack what they read; decoding itself is Polars'. The format is Arrow's "Encapsulated message
format" in flatbuffers.
"""

import struct
from collections.abc import Iterator

from bentos.errors import RequestRefused

_CONTINUES = 0xFFFFFFFF
_DICTIONARY, _ROWS = 2, 3  # kinds of messages
_KIND, _HEADER, _BODY = 1, 2, 3  # fields of a message
_DATA = 1  # of a dictionary's message: it holds a batch
_LENGTH, _NODES, _BUFFERS, _COMPRESSION = range(4)  # of a record batch


def check_stream(body: bytes, most_rows: int) -> None:
    """Refuse a stream that is compressed, has too many rows, or claims more than it holds.

    Polars asks for as much memory as a batch's head says: where it cannot have it, the process
    ends, and no exception tells.
    """
    rows = 0
    try:
        for kind, batch, length in _read_batches(body):
            if _find(body, batch, _COMPRESSION):
                raise RequestRefused(400, "the Arrow stream is compressed; send it as it is")
            _check_claims(body, batch, length)
            rows += _read(body, batch, _LENGTH, "<q") if kind == _ROWS else 0
            if rows > most_rows:
                raise RequestRefused(
                    413, f"more rows than the {most_rows} that one request may hold"
                )
    except (struct.error, IndexError):
        raise RequestRefused(400, "the body is no valid Arrow IPC stream") from None


def _check_claims(body: bytes, batch: int, length: int) -> None:
    """Raise IndexError where a column or a buffer is larger than the data that follow.

    `length` is of those data, in bytes. A value takes a bit at least, but in a column of nulls.
    """
    rows = _read(body, batch, _LENGTH, "<q")
    if rows < 0:
        raise IndexError
    for values, nulls in _pairs(body, batch, _NODES):
        if not 0 <= nulls <= values <= max(rows, 8 * length):
            raise IndexError
    for offset, size in _pairs(body, batch, _BUFFERS):
        if not (offset >= 0 and size >= 0 and offset + size <= length):
            raise IndexError


def _pairs(body: bytes, batch: int, field: int) -> Iterator[tuple[int, int]]:
    """Read a vector of structs that are two numbers of eight bytes."""
    if place := _find(body, batch, field):
        vector = _follow(body, place)
        numbers = struct.unpack_from(f"<{2 * _unsigned(body, vector)}q", body, vector + 4)
        yield from zip(numbers[::2], numbers[1::2], strict=True)


def _read_batches(body: bytes) -> Iterator[tuple[int, int, int]]:
    """Give the kind of each message with data, where its batch's table is, and its data's bytes."""
    place = 0
    while True:
        marker, size = struct.unpack_from("<Ii", body, place)
        if marker != _CONTINUES or size < 0:
            raise IndexError
        if size == 0:
            return
        message = place + 8 + _unsigned(body, place + 8)
        kind = _read(body, message, _KIND, "<B")
        length = _read(body, message, _BODY, "<q")
        if not 0 <= length <= len(body):
            raise IndexError
        if kind in (_DICTIONARY, _ROWS):
            header = _follow(body, _find(body, message, _HEADER))
            inner = header if kind == _ROWS else _follow(body, _find(body, header, _DATA))
            yield kind, inner, length
        place += 8 + size + length


def _find(body: bytes, table: int, field: int) -> int:
    """Find where a table has a field; 0 where it leaves it out."""
    (back,) = struct.unpack_from("<i", body, table)
    fields = table - back
    (size,) = struct.unpack_from("<H", body, fields)
    offset = 4 + 2 * field
    if fields < 0 or offset + 2 > size:
        return 0
    (inside,) = struct.unpack_from("<H", body, fields + offset)
    return table + inside if inside else 0


def _read(body: bytes, table: int, field: int, form: str) -> int:
    place = _find(body, table, field)
    return int(struct.unpack_from(form, body, place)[0]) if place else 0


def _follow(body: bytes, place: int) -> int:
    return place + _unsigned(body, place)


def _unsigned(body: bytes, place: int) -> int:
    return int(struct.unpack_from("<I", body, place)[0])
