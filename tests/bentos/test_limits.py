"""A server under attack, or merely misused, says no and goes on answering."""

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import pytest
from lightgbm.basic import LightGBMError
from servers import MODEL, Served, Versions, alter, serving

from bentos.lightgbm_predictor import Predictor
from bentos.model import check_model, load_folder
from tasks.core.errors import StoreError
from tasks.prediction.compiled_forest import CompiledForest

TOKEN = "a-token-of-this-test"
TWICE = 2 * b"authorization: a\r\n" + b"\r\n"
END = b"\r\n\r\n"
CHUNKED = b"POST /predict HTTP/1.1\r\nhost: [::1]\r\ntransfer-encoding: chunked\r\n\r\n"
Question = dict[str, Any]


@pytest.fixture(scope="module")
def strict(versions: Versions, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Serve with a token, few requests at once, small bodies and little patience."""
    folder = tmp_path_factory.mktemp("strict")
    limits = "concurrency = 1\nmax_body_mb = 4.0\ntimeout_s = 0.5\nlog = false"
    limits += '\nhosts = ["listed.example"]'
    model = alter(versions.folder(versions.second), folder / "model", limits)
    given = {"PERENNIAL_FOLLOW": MODEL, "PERENNIAL_HOSTS": "named.example, models"}
    with serving(
        folder / "server", model, PERENNIAL_TOKEN=TOKEN, PERENNIAL_ROOT="", **given
    ) as running:
        yield running


@pytest.fixture
def client(strict: Served) -> Iterator[httpx.Client]:
    with strict.client(headers={"authorization": f"Bearer {TOKEN}"}) as opened:
        yield opened


def test_a_token_is_needed_for_all_but_health(
    strict: Served, client: httpx.Client, questions: list[Question]
) -> None:
    for token in ("", "Bearer", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer ä"):
        headers = {"authorization": token.encode("latin-1")}
        with strict.client(headers=headers) as stranger:
            answer = stranger.post("/predict", json=questions[0])
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == "Bearer"
            assert stranger.get("/metrics").status_code == 401
            assert stranger.get("/readyz").status_code == 200
    assert client.post("/predict", json=questions[0]).status_code == 200
    assert TOKEN not in strict.output.read_text()


def test_a_large_body_is_refused_before_and_while_it_comes(client: httpx.Client) -> None:
    headers = {"content-type": "application/json"}
    whole = client.post("/predict", content=b" " * 100_000_000, headers=headers)
    assert whole.status_code == 413
    chunks = (b" " * 100_000 for _ in range(60))
    assert client.post("/predict", content=chunks, headers=headers).status_code == 413


def test_late_answers_are_504_and_requests_beyond_the_cap_429(
    client: httpx.Client, questions: list[Question]
) -> None:
    columns = {name: [value] * 10_000 for name, value in questions[0].items()}
    answers: list[httpx.Response] = []
    ask = threading.Thread(
        target=lambda: answers.append(client.post("/explain", json={"columns": columns}))
    )
    ask.start()
    time.sleep(0.3)
    crowded = client.post("/predict", json=questions[0])
    ask.join()
    assert answers[0].status_code == 504
    assert crowded.status_code == 429
    assert int(crowded.headers["retry-after"]) >= 1
    until = time.monotonic() + 20
    while client.post("/predict", json=questions[0]).status_code == 429:
        assert time.monotonic() < until
        time.sleep(0.1)


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


def test_a_folder_without_a_whole_model_is_not_served(versions: Versions, tmp_path: Path) -> None:
    model = alter(versions.folder(versions.second), tmp_path / "model", "")
    (model / "model.txt").write_text("tree\n")
    with pytest.raises(StoreError, match="changed after it was published"):
        load_folder(model)


def test_a_model_that_takes_other_features_is_not_served(versions: Versions) -> None:
    model = load_folder(versions.folder(versions.second))
    more = model.features.model_copy(
        update={"expressions": {**model.features.expressions, "more": "1"}}
    )
    with pytest.raises(StoreError, match="takes other features than it is given"):
        check_model(replace(model, features=more))


def test_a_model_that_answers_many_rows_otherwise_than_one_is_not_served(
    versions: Versions, tmp_path: Path
) -> None:
    asks = alter(versions.folder(versions.second), tmp_path / "model", 'predictor = "compiled"')
    model = load_folder(asks)
    other = (versions.folder(versions.first) / "model.txt").read_text()
    model.predictor._forest = CompiledForest(other)
    with pytest.raises(StoreError, match="no finite, repeatable numbers"):
        check_model(model)


def test_an_empty_folder_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"holds no model; MANIFEST.json is missing"):
        load_folder(tmp_path)


def test_lightgbms_own_failure_is_raised(versions: Versions) -> None:
    text = (versions.folder(versions.second) / "model.txt").read_text()
    predictor = Predictor(text)
    predictor.features += 1
    for rows in (1, 2):
        with pytest.raises(LightGBMError, match="number of features"):
            predictor.predict(np.zeros((rows, predictor.features)))


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


@pytest.mark.parametrize("path", ["/docs", "/livez", "/predict"])
@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example", "localhost@evil.example", "evil.example:3000",
     "10.0.0.1", "0.0.0.0", "[::1", "localhost:x", "", "\xff", "a" * 9_000],
)  # fmt: skip
def test_a_request_for_another_host_is_refused(client: httpx.Client, host: str, path: str) -> None:
    answer = client.get(path, headers={"host": host.encode("latin-1")})
    assert answer.status_code == 421
    assert "PERENNIAL_HOSTS" in answer.json()["error"]
    assert len(answer.content) < 250


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:80", "localhost.", "127.0.0.1:3000", "127.9.9.9", "[::1]:3000",
     "listed.example:443", "named.example", "models"],
)  # fmt: skip
def test_a_request_for_a_host_that_is_listed_is_answered(client: httpx.Client, host: str) -> None:
    assert client.get("/docs", headers={"host": host}).status_code == 200


def send(served: Served, request: bytes) -> bytes:
    """Send bytes as they are, and give what comes back up to the end of the connection."""
    with socket.create_connection(("127.0.0.1", served.port), timeout=10) as plain:
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


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer "])
def test_the_scheme_of_a_token_is_taken_in_any_case(strict: Served, scheme: str) -> None:
    with strict.client(headers={"authorization": f"{scheme} {TOKEN}"}) as asker:
        assert asker.get("/model").status_code == 200


@pytest.mark.parametrize("shape", ["{%s}", "[{%s}]", '{"columns": {%s}}'])
@pytest.mark.parametrize(
    "name", ["a" * 100_000, "field `" * 20_000 + "x - at `$y", " - at `$" * 20_000 + "`"]
)
def test_a_hostile_name_is_refused_at_once_and_told_in_short(
    client: httpx.Client, shape: str, name: str
) -> None:
    begun = time.monotonic()
    body = (shape % f'"{name}": 1').encode()
    answer = client.post("/predict", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["field"] == name[:100]
    assert len(answer.content) < 300
    assert time.monotonic() - begun < 4  # it took 12 s on a quiet machine


def test_bodies_that_do_not_arrive_take_nobodys_place(
    strict: Served, client: httpx.Client, questions: list[Question]
) -> None:
    head = CHUNKED.replace(b"transfer-encoding: chunked", b"content-length: 100")
    head = head.replace(b"\r\n\r\n", b"\r\nauthorization: Bearer " + TOKEN.encode() + b"\r\n\r\n")
    waiting = [socket.create_connection(("127.0.0.1", strict.port)) for _ in range(300)]
    for each in waiting:
        each.sendall(head + b"{" * 50)
    assert client.post("/predict", json=questions[0]).status_code == 200
    for each in waiting:
        each.close()


def test_releases_cannot_be_followed_without_a_root(strict: Served) -> None:
    assert "are not followed: PERENNIAL_ROOT is not set" in strict.output.read_text()


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


def test_the_service_loads_no_prefect_whylogs_or_s3fs() -> None:
    code = (
        "import sys, bentos.service;"
        "print({'prefect', 'whylogs', 's3fs', 'altair', 'pandas'} & set(sys.modules) or '')"
    )
    loaded = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert loaded.strip() == ""
