"""However bytes come over a connection, what they ask for is the same, quick answers or not."""

import json
import random
from concurrent.futures import Executor, Future
from typing import Any

import pytest
from connections import Connection, Open, make_app, post, without_own

from bentos.model import Model

Question = dict[str, Any]


@pytest.fixture
def request_(questions: list[Question]) -> bytes:
    return post(json.dumps(questions[0]).encode())


class AtOnce(Executor):
    """Does what it is given before anything else is done."""

    def submit(self, work: Any, /, *given: Any, **named: Any) -> "Future[Any]":
        done: Future[Any] = Future()
        try:
            done.set_result(work(*given, **named))
        except Exception as error:
            done.set_exception(error)
        return done


def answered(connection: Connection) -> int:
    return connection.wire.written.count(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize("size", [1, 7, 50, 400])
def test_a_request_in_pieces_is_answered_once(
    size: int, binary: Model, request_: bytes, connect: Open
) -> None:
    connection = connect(make_app(binary))
    for _ in range(2):
        connection.send(request_)
        for start in range(0, len(request_), size):
            last = start + size >= len(request_)
            connection.send(request_[start : start + size], answers=int(last))
    assert answered(connection) == 4


def test_what_comes_behind_a_request_is_the_next_one(
    binary: Model, request_: bytes, connect: Open
) -> None:
    connection = connect(make_app(binary))
    connection.send(request_)
    said = connection.send(request_ + request_ + b"GET /livez HTTP/1.1\r\n", answers=2)
    assert said.count(b'"prediction"') == 2
    said = connection.send(b"host: localhost\r\n\r\n")
    assert said.endswith(b'{"alive":true}')
    assert answered(connection) == 4


def test_a_body_that_looks_like_a_request_is_none(
    binary: Model, request_: bytes, connect: Open
) -> None:
    connection = connect(make_app(binary))
    connection.send(request_)
    head = f"POST /explain HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(request_)}\r\n\r\n"
    connection.send(head.encode(), answers=0)
    assert b" 415 " in connection.send(request_)
    assert answered(connection) == 1


def test_a_pipelined_head_is_not_taken_for_another(
    binary: Model, request_: bytes, connect: Open
) -> None:
    app = make_app(binary)
    poison = b"POST /predict HTTP/1.1\r\nhost: elsewhere\r\n\r\n"
    connect(app).send(poison + request_, answers=2)
    assert b" 421 " in connect(app).send(poison)
    assert app.quick._way is not None
    assert not app.quick._way.heads


def test_any_bytes_are_answered_as_without_quick_answers(
    binary: Model, request_: bytes, connect: Open
) -> None:
    chance, app = random.Random(0), make_app(binary)
    app._pool = AtOnce()  # type: ignore[assignment]  # else what is first answered is a race
    pieces = [request_, request_, b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n", b"\r\n"]
    for _ in range(150):
        chosen = chance.choices(pieces, k=4)
        ends = [sum(map(len, chosen[:n])) for n in range(1, 4)]
        stream = bytearray(b"".join(chosen))
        for _ in range(chance.randrange(3)):
            place = chance.randrange(len(stream))
            stream[place : place + chance.randrange(2)] = bytes([chance.randrange(256)])
        both = [connect(app, quick=quick) for quick in (True, False)]
        both[0].send(request_)
        both[1].send(request_)
        cuts = sorted(chance.choice([end, chance.randrange(len(stream))]) for end in ends)
        for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
            for each in both:
                each.send(bytes(stream[start:end]), answers=0)
                each.settle()
        quick, usual = (without_own(each.wire.written) for each in both)
        assert quick == usual
        assert both[0].wire.closed == both[1].wire.closed


def test_an_idle_connection_is_closed_after_a_quick_answer(
    binary: Model, request_: bytes, connect: Open
) -> None:
    connection = connect(make_app(binary))
    connection.send(request_)
    connection.send(request_)
    protocol, now = connection.protocol, connection.loop.time()
    assert protocol.timeout_keep_alive_task is None
    assert not protocol.is_slow(now + protocol.timeout_keep_alive - 1)
    assert protocol.is_slow(now + protocol.timeout_keep_alive + 1)


def test_a_client_that_does_not_read_waits_the_usual_way(
    binary: Model, request_: bytes, connect: Open
) -> None:
    connection = connect(make_app(binary))
    connection.send(request_)
    connection.protocol.pause_writing()
    assert connection.send(request_, answers=0) == b""
    connection.protocol.resume_writing()
    assert b" 200 " in connection.send(b"")
