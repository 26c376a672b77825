"""What an Arrow stream would unpack to is known before anything of it is unpacked."""

from io import BytesIO
from typing import Any

import polars as pl
import pytest

from bentos.arrow_limits import check_stream
from bentos.errors import RequestRefused

FRAME = pl.DataFrame({"x": [1.0, 2.0, 3.0], "c": ["a", "b", "a"]})


def write(frame: pl.DataFrame, compression: Any = "uncompressed") -> bytes:
    buffer = BytesIO()
    frame.write_ipc_stream(buffer, compression=compression)
    return buffer.getvalue()


@pytest.mark.parametrize("frame", [FRAME, FRAME.with_columns(pl.col("c").cast(pl.Categorical))])
def test_rows_are_counted_and_one_too_many_is_refused(frame: pl.DataFrame) -> None:
    check_stream(write(frame), 3)
    with pytest.raises(RequestRefused, match="more rows than the 2 that") as refused:
        check_stream(write(frame), 2)
    assert refused.value.status == 413


def test_a_compressed_stream_is_refused() -> None:
    with pytest.raises(RequestRefused, match="is compressed; send it as it is"):
        check_stream(write(FRAME, "zstd"), 3)


@pytest.mark.parametrize("cut", [0, 7, 100, -9])
def test_a_stream_that_is_not_whole_is_refused(cut: int) -> None:
    with pytest.raises(RequestRefused, match="no valid Arrow IPC stream") as refused:
        check_stream(write(FRAME)[:cut], 3)
    assert refused.value.status == 400
