"""Fuzz what reads bytes that others wrote: `python tests/fuzz/readers.py TARGET SECONDS`.

It is run with tests/support on the path. Atheris (libFuzzer) changes known good bytes wherever
that reaches new code. Each reader may refuse in its own words; anything else that is raised, and
anything that takes 5 s, is a finding: its bytes are written to this folder's `crash-…`, and given
as an argument they are tried again.
"""

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import atheris

with atheris.instrument_imports(include=["bentos", "tasks"]):
    import polars as pl
    from connections import Wire
    from uvicorn.config import Config
    from uvicorn.server import ServerState

    from bentos.column_values import frame_rows
    from bentos.columns import Column
    from bentos.errors import RequestRefused
    from bentos.request_head import RequestHead, check_host
    from bentos.request_validation import RequestSchema
    from bentos.responses import write_refusal
    from bentos.slow_clients import LONGEST_HEAD, TimedProtocol
    from tasks.core.definition import parse_definition
    from tasks.core.errors import PerennialError
    from tasks.registry.ledger import append_entry, read_ledger
    from tasks.registry.versions import MANIFEST, find, publish
    from tasks.storage.folder import FolderStore

REPOSITORY = Path(__file__).parents[2]
TYPES = [
    *(pl.Int8(), pl.Int64(), pl.UInt64(), pl.Float32(), pl.Float64(), pl.Boolean(), pl.String()),
    *(pl.Datetime("us", "UTC"), pl.Datetime("us"), pl.Date(), pl.Time(), pl.Decimal(10, 2)),
]
COLUMNS = tuple(Column(name=f"c{n}", dtype=dtype) for n, dtype in enumerate(TYPES))
SCHEMA = RequestSchema(COLUMNS, max_rows=100)
ROW: dict[str, Any] = {
    "c0": 1,
    "c1": 2,
    "c2": 3,
    "c3": 0.5,
    "c4": 1.5,
    "c5": True,
    "c6": "a",
    "c7": "2013-01-01T00:00:00Z",
    "c8": "2013-01-01T00:00:00",
    "c9": "2013-01-01",
    "c10": "10:00:00",
    "c11": 1.25,
}
LOOP = asyncio.new_event_loop()


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Read a request as the service does, and answer."""
    if scope["type"] != "http":
        return
    status, head = 200, RequestHead(scope["headers"])
    try:
        check_host(head, frozenset(), scope)
        while (await receive()).get("more_body"):
            pass
    except RequestRefused as refused:
        status = refused.status
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": b""})


CONFIG = Config(application, log_config=None, lifespan="off", access_log=False)


def read_connection(data: bytes) -> None:
    """Give the protocol bytes in pieces; the first byte says how large those are."""
    wire, size = Wire("127.0.0.1"), 1 + (data[0] if data else 0) ** 2
    connection = TimedProtocol(CONFIG, ServerState(), {}, LOOP)
    connection.connection_made(wire)  # type: ignore[arg-type]
    for start in range(1, len(data), size):
        if wire.closed:
            break
        connection.data_received(data[start : start + size])
        LOOP.run_until_complete(asyncio.sleep(0))
        assert connection.between <= LONGEST_HEAD + size
    connection.connection_lost(None)
    LOOP.run_until_complete(asyncio.sleep(0))
    assert b" 500 " not in wire.written, wire.written


def read_request(data: bytes) -> None:
    """Decode a body as JSON and as Arrow; what is refused must be told in valid JSON."""
    for decode in (SCHEMA.decode_json, SCHEMA.decode_arrow):
        refusal = None
        try:
            asked = decode(data)
        except RequestRefused as refused:
            refusal = refused
        if refusal is not None:
            assert 400 <= refusal.status < 500
            assert len(json.loads(write_refusal(refusal)).get("field", "")) <= 100
        else:
            rows = asked.rows
            frame = rows if isinstance(rows, pl.DataFrame) else frame_rows(SCHEMA.columns, rows)
            assert frame.schema == SCHEMA.types
            assert 1 <= len(frame) <= 100


class Held(FolderStore):
    """A root whose every file holds the same bytes."""

    data = b""

    def read_many(self, paths: Iterable[str]) -> dict[str, bytes]:
        return dict.fromkeys(paths, self.data)

    def children(self, path: str) -> list[str]:
        return ["000001.json"]


STORE = Held(tempfile.mkdtemp())


def read_manifest(data: bytes) -> None:
    STORE.data = data
    with suppress(PerennialError):
        find(STORE, "models/m/v")


def read_chain(data: bytes) -> None:
    STORE.data = data
    with suppress(PerennialError):
        read_ledger(STORE, "m")


def read_definition(data: bytes) -> None:
    with suppress(UnicodeDecodeError, PerennialError):
        parse_definition(data.decode(), "definition.toml")


def write_seeds() -> dict[str, list[bytes]]:
    """Make bytes that each reader takes."""
    row = json.dumps(ROW).encode()
    columns = json.dumps({"columns": {name: [value] * 2 for name, value in ROW.items()}}).encode()
    stream = BytesIO()
    frame_rows(SCHEMA.columns, [SCHEMA.decode_row(row)]).write_ipc_stream(stream)
    store = FolderStore(tempfile.mkdtemp())
    said = {"version": "v", "manifest": "0" * 64, "approver": "a", "reason": "r"}
    append_entry(store, "m", action="approve", **said)  # type: ignore[arg-type]
    folder = store.workspace() / "v"
    folder.mkdir()
    (folder / "model.txt").write_text("tree")
    publish(store, folder, "models/m/v")
    head = b"\xffPOST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    chunked = b"transfer-encoding: chunked\r\n\r\n2;a=b\r\n{}\r\n0\r\nx: y\r\n\r\n"
    return {
        "connection": [
            head + b"content-length: 2\r\n\r\n{}GET http://a/ HTTP/1.0\r\n\r\n",
            head + chunked + b"GET /livez HTTP/1.1\r\nhost: [::1]:1\r\nupgrade: websocket\r\n"
            b"connection: upgrade\r\nexpect: 100-continue\r\n\r\n",
        ],
        "request": [row, b"[" + row + b"]", columns, stream.getvalue()],
        "manifest": [store.read(f"models/m/v/{MANIFEST}")],
        "ledger": [store.read("models/m/ledger/000001.json")],
        "definition": [each.read_bytes() for each in (REPOSITORY / "deployments").glob("*.toml")],
    }


TARGETS: dict[str, Callable[[bytes], None]] = {
    "connection": read_connection,
    "request": read_request,
    "manifest": read_manifest,
    "ledger": read_chain,
    "definition": read_definition,
}


def main(target: str, *given: str) -> None:
    seeds = Path(tempfile.mkdtemp())
    for number, seed in enumerate(write_seeds()[target]):
        (seeds / str(number)).write_bytes(seed)
    kept = f"-artifact_prefix={Path(__file__).parent}/crash-{target}-"
    options = [kept, "-timeout=5", "-rss_limit_mb=2048", "-max_len=100000", "-verbosity=0"]
    if given[0].isdigit():
        options += [f"-max_total_time={given[0]}", "-print_final_stats=1", str(seeds)]
    else:
        options += given
    atheris.Setup([sys.argv[0], *options], TARGETS[target])
    print(f"{target}: {datetime.now(UTC):%H:%M:%S}", flush=True)
    atheris.Fuzz()


if __name__ == "__main__":
    os.environ.setdefault("POLARS_MAX_THREADS", "1")
    main(*sys.argv[1:])
