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
_LENGTH, _DATA, _COMPRESSION = 0, 1, 3  # of a record batch; a dictionary's first holds a batch


def check_stream(body: bytes, most_rows: int) -> None:
    """Refuse a stream that is compressed, has too many rows, or is not whole."""
    rows = 0
    try:
        for kind, batch in _read_batches(body):
            if _find(body, batch, _COMPRESSION):
                raise RequestRefused(400, "the Arrow stream is compressed; send it as it is")
            rows += _read(body, batch, _LENGTH, "<q") if kind == _ROWS else 0
            if rows > most_rows:
                raise RequestRefused(
                    413, f"more rows than the {most_rows} that one request may hold"
                )
    except (struct.error, IndexError):
        raise RequestRefused(400, "the body is no valid Arrow IPC stream") from None


def _read_batches(body: bytes) -> Iterator[tuple[int, int]]:
    """Give the kind of each message that holds data, and where its batch's table is."""
    place = 0
    while True:
        marker, size = struct.unpack_from("<Ii", body, place)
        if marker != _CONTINUES or size < 0:
            raise IndexError
        if size == 0:
            return
        message = place + 8 + _unsigned(body, place + 8)
        kind = _read(body, message, _KIND, "<B")
        if kind in (_DICTIONARY, _ROWS):
            header = _follow(body, _find(body, message, _HEADER))
            inner = header if kind == _ROWS else _follow(body, _find(body, header, _DATA))
            yield kind, inner
        length = _read(body, message, _BODY, "<q")
        if length < 0:
            raise IndexError
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
