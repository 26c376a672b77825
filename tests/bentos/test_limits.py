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

from bentos.model import check_model, load_folder
from bentos.predictor import Predictor
from tasks.errors import StoreError
from tasks.forest import Forest

TOKEN = "a-token-of-this-test"
CHUNKED = b"POST /predict HTTP/1.1\r\nhost: [::1]\r\ntransfer-encoding: chunked\r\n\r\n"
Question = dict[str, Any]


@pytest.fixture(scope="module")
def strict(versions: Versions, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Serve with a token, few requests at once, small bodies and little patience."""
    folder = tmp_path_factory.mktemp("strict")
    limits = "concurrency = 1\nmax_body_mb = 4.0\ntimeout_s = 0.5\nlog = false"
    model = alter(versions.folder(versions.second), folder / "model", limits)
    with serving(
        folder / "server", model, PERENNIAL_TOKEN=TOKEN, PERENNIAL_ROOT="", PERENNIAL_FOLLOW=MODEL
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
    port = int(strict.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as slow:
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
    port = int(strict.url.rpartition(":")[2])
    before = psutil.Process(strict.worker()).memory_info().rss
    with socket.create_connection(("127.0.0.1", port), timeout=10) as flood:
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
    port = int(strict.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as odd:
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
    model.predictor._forest = Forest(other)
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


def test_what_asks_for_a_web_socket_is_refused(strict: Served, client: httpx.Client) -> None:
    upgrade = {
        "connection": "Upgrade", "upgrade": "websocket",
        "sec-websocket-version": "13", "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }  # fmt: skip
    assert client.get("/predict", headers=upgrade).status_code >= 400
    assert client.get("/livez").status_code == 200


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
        lazy.connect(("127.0.0.1", int(strict.url.rpartition(":")[2])))
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
