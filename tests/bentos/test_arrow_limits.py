"""What an Arrow stream claims is held against what it holds, before Polars believes it."""

import subprocess
import sys
from io import BytesIO

import polars as pl
import pytest

from bentos.arrow_limits import check_stream
from bentos.errors import RequestRefused

ROWS = pl.DataFrame(
    {
        "whole": pl.Series([1, None, 3], dtype=pl.Int32),
        "text": ["a" * 40, None, "b"],  # more than fits in a view: it has a buffer of its own
        "kind": pl.Series(["x", "y", "x"], dtype=pl.Categorical),
        "flag": [True, None, False],
        "none": [None, None, None],
        "when": pl.Series([1, 2, None], dtype=pl.Datetime("us", "UTC")),
    }
)
# Any number in the stream is another one: it is refused, or read, and the process lives.
CHANGE_ALL = """
import resource, struct, sys
import polars as pl
from io import BytesIO
from bentos.arrow_limits import check_stream
from bentos.errors import RequestRefused

whole, read = sys.stdin.buffer.read(), 0
resource.setrlimit(resource.RLIMIT_AS, (6_000_000_000,) * 2)
for place in range(8, len(whole) - 8, 4):
    for number in (-1, 2**31, 2**40, 2**54, 2**63 - 1):
        changed = whole[:place] + struct.pack("<q", number) + whole[place + 8 :]
        try:
            check_stream(changed, 100)
            pl.read_ipc_stream(BytesIO(changed))
            read += 1
        except (RequestRefused, pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError):
            pass
print(read)
"""


def write(frame: pl.DataFrame, **how: str) -> bytes:
    buffer = BytesIO()
    frame.write_ipc_stream(buffer, **how)  # type: ignore[arg-type]
    return buffer.getvalue()


@pytest.mark.parametrize("rows", [ROWS, ROWS.head(0), ROWS.with_columns(pl.col("whole").implode())])
def test_sound_stream_passes(rows: pl.DataFrame) -> None:
    check_stream(write(rows), 100)


@pytest.mark.parametrize(
    ("stream", "status", "why"),
    [
        (write(pl.concat([ROWS] * 40)), 413, "more rows than the 100"),
        (write(ROWS, compression="zstd"), 400, "is compressed"),
        (write(ROWS)[:-9], 400, "no valid Arrow"),
        (b"", 400, "no valid Arrow"),
        (b"\xff\xff\xff\xff\xf0\xff\xff\x7f" + bytes(40), 400, "no valid Arrow"),
    ],
    ids=["rows", "compressed", "cut", "empty", "far"],
)
def test_stream_is_refused_before_it_is_unpacked(stream: bytes, status: int, why: str) -> None:
    with pytest.raises(RequestRefused, match=why) as refused:
        check_stream(stream, 100)
    assert refused.value.status == status


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits a process's memory so")
def test_no_number_in_a_stream_ends_the_process() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CHANGE_ALL], input=write(ROWS), capture_output=True, timeout=120
    )
    assert done.returncode == 0, done.stderr[-2_000:].decode(errors="replace")
    assert int(done.stdout) > 0
