"""Slow clients, endless heads and odd requests are hung up on while others are answered."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import suppress

import httpx
import psutil
import pytest
from servers import CHUNKED, TOKEN, Question, Served

TWICE = 2 * b"authorization: a\r\n" + b"\r\n"
END = b"\r\n\r\n"


@pytest.fixture
def client(strict: Served) -> Iterator[httpx.Client]:
    with strict.client(headers={"authorization": f"Bearer {TOKEN}"}) as opened:
        yield opened


@pytest.mark.parametrize(
    "beginning",
    [
        b"",
        b"POST /predict HTTP/1.1\r\nhost: [::1]\r\nx-slow:",
        b"POST /predict HTTP/1.1\r\nhost: [::1]\r\ncontent-type: application/json\r\n"
        b"authorization: Bearer " + TOKEN.encode() + b"\r\ncontent-length: 500\r\n\r\n{",
    ],
)
def test_a_slow_client_is_hung_up_on_while_others_are_answered(
    strict: Served, client: httpx.Client, beginning: bytes
) -> None:
    with socket.create_connection(("127.0.0.1", strict.port), timeout=10) as slow:
        slow.sendall(beginning)
        assert client.get("/livez").status_code == 200
        with suppress(ConnectionResetError):
            assert slow.recv(100) == b""


@pytest.mark.parametrize(
    ("beginning", "more"),
    [
        (b"GET /", b"a"),
        (b"GET / HTTP/1.1\r\nhost: [::1]\r\nx: ", b"a"),
        (b"GET / HTTP/1.1\r\nhost: [::1]\r\n", b"x: aaaaaaaaaaaa\r\n"),
        (CHUNKED + b"1\r\n{\r\n0\r\n", b"x: aaaaaaaaaaaa\r\n"),
        (CHUNKED + b"1\r\n{\r\n0\r\nx: ", b"a"),
        (CHUNKED + b"1;", b"a"),
    ],
    ids=["path", "header", "headers", "trailers", "trailer", "extension"],
)  # fmt: skip
def test_an_endless_head_is_refused(
    strict: Served, client: httpx.Client, beginning: bytes, more: bytes
) -> None:
    before = psutil.Process(strict.worker()).memory_info().rss
    with socket.create_connection(("127.0.0.1", strict.port), timeout=10) as flood:
        with suppress(ConnectionError):
            for part in (beginning, *[more * (1_000_000 // len(more))] * 100):
                flood.sendall(part)
        assert client.get("/livez").status_code == 200
        with suppress(ConnectionError):
            # Without a token, a body's end need not be waited for.
            assert flood.recv(1_000)[:12] in (b"", b"HTTP/1.1 431", b"HTTP/1.1 401")
    assert psutil.Process(strict.worker()).memory_info().rss - before < 50_000_000
    assert "Traceback" not in strict.output.read_text()


def test_what_is_no_http_is_refused(strict: Served, client: httpx.Client) -> None:
    with socket.create_connection(("127.0.0.1", strict.port), timeout=10) as odd:
        odd.sendall(b"\x00\xff nonsense\r\n\r\n")
        assert odd.recv(100).startswith(b"HTTP/1.1 400")
    assert client.get("/livez").status_code == 200


@pytest.mark.parametrize("asked", ["websocket", "WebSocket", "h2c"])
def test_an_upgrade_that_cannot_be_left_undone_is_refused(
    strict: Served, client: httpx.Client, asked: str
) -> None:
    upgrade = {
        "connection": "Upgrade", "upgrade": asked,
        "sec-websocket-version": "13", "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }  # fmt: skip
    # Behind a proxy, a body that is read as the next request would be another client's.
    body = b"GET /model HTTP/1.1\r\nhost: localhost\r\n\r\n"
    answer = client.post("/predict", headers=upgrade, content=body)
    assert answer.status_code == 400
    assert answer.headers["connection"] == "close"
    assert client.get("/livez").status_code == 200


def test_another_upgrade_is_left_undone(client: httpx.Client) -> None:
    upgrade = {"connection": "Upgrade, HTTP2-Settings", "upgrade": "h2c", "http2-settings": "AAM"}
    assert client.get("/livez", headers=upgrade).json() == {"alive": True}


def send(served: Served, request: bytes) -> bytes:
    """Send bytes as they are, and give what comes back up to the end of the connection."""
    with socket.create_connection(("127.0.0.1", served.port), timeout=10) as plain:
        with suppress(OSError):  # it may have been refused and closed by now
            plain.sendall(request)
            plain.shutdown(socket.SHUT_WR)
        answer = b""
        with suppress(ConnectionError):
            while part := plain.recv(65_536):
                answer += part
                if b"\r\n\r\n" in answer:
                    break
        return answer


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET http://evil.example/docs HTTP/1.1\r\nhost: localhost\r\n\r\n", 421),
        (b"GET http://localhost/livez HTTP/1.1\r\nhost: evil.example\r\n\r\n", 200),
        (b"GET http://[::1]:80/livez HTTP/1.1\r\nhost: evil.example\r\n\r\n", 200),
        (b"OPTIONS * HTTP/1.1\r\nhost: localhost\r\n\r\n", 404),
        (b"CONNECT evil.example:443 HTTP/1.1\r\nhost: localhost\r\n\r\n", 400),
        (b"GET /livez HTTP/1.1\r\n\r\n", 400),
        (b"GET /livez HTTP/1.0\r\n\r\n", 200),
        (b"GET /livez HTTP/1.1\r\n" + 2 * b"host: localhost\r\n" + b"\r\n", 400),
        (b"GET /model HTTP/1.1\r\nhost: localhost\r\n" + TWICE, 400),
        (b"GET /%6c%69vez HTTP/1.1\r\nhost: localhost\r\n\r\n", 200),
        (b"GET /livez%00%0a%ff HTTP/1.1\r\nhost: localhost\r\n\r\n", 404),
        (b"GET /livez HTTP/1.1\r\nhost: localhost\r\nx: a\r\n b\r\n\r\n", 400),
        (CHUNKED.replace(END, b"\r\nauthorization: Bearer " + TOKEN.encode() + END)
         + 5_000 * b"1\r\nx\r\n", 400),
        (CHUNKED.replace(b"\r\n\r\n", b"\r\ncontent-length: 1\r\n\r\n"), 400),
        (CHUNKED + b"2\r\n{}\r\n0\r\nauthorization: Bearer " + TOKEN.encode() + b"\r\n\r\n", 401),
        (b"GET /livez HTTP/1.1\r\nhost: localhost\r\nx: " + b"a" * 60_000 + b"\r\n\r\n", 200),
        (b"GET /livez HTTP/1.1\r\nhost: localhost\r\nx: " + b"a" * 66_000 + b"\r\n\r\n", 431),
        (b"GET /livez HTTP/1.1\r\nhost: localhost\r\n" + b"x:\r\n" * 20_000 + b"\r\n", 431),
        (b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n" * 9_000, 400),
    ],
)  # fmt: skip
def test_an_odd_request_is_read_in_one_way_or_refused(
    strict: Served, request_: bytes, status: int
) -> None:
    assert send(strict, request_).startswith(b"HTTP/1.1 %d " % status)


def test_who_does_not_take_the_answer_is_hung_up_on(
    strict: Served, client: httpx.Client, questions: list[Question]
) -> None:
    rows = json.dumps({"columns": {name: [value] * 300 for name, value in questions[0].items()}})
    head = f"POST /explain HTTP/1.1\r\nhost: [::1]\r\nauthorization: Bearer {TOKEN}\r\n"
    head += f"content-type: application/json\r\ncontent-length: {len(rows)}\r\n\r\n"
    with socket.socket() as lazy:
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        lazy.settimeout(10)
        lazy.connect(("127.0.0.1", strict.port))
        with suppress(ConnectionError):
            for _ in range(40):
                lazy.sendall((head + rows).encode())
        time.sleep(1.5)
        assert client.get("/livez").status_code == 200
        with suppress(ConnectionResetError):
            while lazy.recv(1_000_000):
                pass
