"""Connections are shared evenly, each stays where it went, and none is lost with a worker."""

import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest
from servers import wait_for

from bentos.worker_group import found_group, join_group

WORKER = """
import os, socket, sys, uvicorn
from bentos.connection_sharing import share_connections
from bentos.metrics import Metrics
from bentos.prediction_log_writer import PredictionLog
from bentos.quick_answers import QuickAnswers
from bentos.quick_protocol import answer_quickly
from bentos.worker_group import join_group

async def answer(scope, receive, send):
    head = [(b"content-length", b"0"), (b"process", str(os.getpid()).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body"})

metrics = Metrics()  # of no model, by which nothing is answered quickly
answer_quickly(QuickAnswers(metrics, PredictionLog(None, metrics), print), 30.0)
share_connections(join_group(int(sys.argv[1])))
config = uvicorn.Config(answer, loop=sys.argv[2], lifespan="off", log_level="warning")
uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(sys.argv[3]))])
"""


class Workers:
    """Two workers that answer with their process's number."""

    def __init__(self, loop: str) -> None:
        self._loop = loop
        self.listening = socket.socket()
        self.listening.bind(("127.0.0.1", 0))
        self.listening.listen()
        group = join_group(1)
        assert group is not None
        self.board, self.processes = group.board, [self.start(1), self.start(2)]
        wait_for(lambda: self.board.is_ready(0) and self.board.is_ready(1), 30)

    def start(self, number: int) -> subprocess.Popen[bytes]:
        handle = self.listening.fileno()
        words = [sys.executable, "-c", WORKER, str(number), self._loop, str(handle)]
        return subprocess.Popen(words, pass_fds=[handle])

    def connect(self) -> socket.socket:
        client = socket.create_connection(self.listening.getsockname(), timeout=10)
        client.sendall(b"GET / HTTP/1.1\r\n")  # it waits to be read wherever it goes
        return client

    def connections(self) -> int:
        """Count the connections that the workers hold, also those whose client has left."""
        held = [psutil.Process(each.pid).net_connections("tcp") for each in self.processes]
        return sum(each.status != "LISTEN" for own in held for each in own)

    def stop(self) -> None:
        for each in self.processes:
            each.terminate()
            assert each.wait(10) in (-signal.SIGTERM, -signal.SIGKILL, 0)
        self.listening.close()


def finish(client: socket.socket) -> int:
    """Send the rest of a request, and give the process that answers."""
    client.sendall(b"host: localhost\r\n\r\n")
    answer = client.recv(1_000)
    assert answer.startswith(b"HTTP/1.1 200"), answer
    return int(answer.partition(b"process: ")[2].partition(b"\r\n")[0])


@contextmanager
def connected(workers: Workers, count: int) -> Iterator[list[socket.socket]]:
    with ExitStack() as opened:
        yield [opened.enter_context(workers.connect()) for _ in range(count)]


def count_by_process(workers: Workers, count: int) -> list[int]:
    """Open connections one after the other, each once the one before is answered; none is closed.

    Of a burst, two workers may take the same moment's (`test_a_burst_is_shared_nearly_evenly…`).
    """
    with ExitStack() as opened:
        clients = (opened.enter_context(workers.connect()) for _ in range(count))
        return sorted(Counter(map(finish, clients)).values())


@pytest.fixture(params=["asyncio", "uvloop"])
def workers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workers]:
    monkeypatch.setenv("PERENNIAL_WORKER_GROUP", "")
    found_group(2)
    running = Workers(request.param)
    yield running
    running.stop()


def test_connections_are_shared_evenly(workers: Workers) -> None:
    assert count_by_process(workers, 12) == [6, 6]


def test_a_burst_is_shared_nearly_evenly_and_each_stays_with_one_process(workers: Workers) -> None:
    """Two workers that accept at the same moment may each think that it has the fewest."""
    with connected(workers, 12) as clients:
        answered = [finish(client) for client in clients]
        for _ in range(3):
            for client in clients:
                client.sendall(b"GET / HTTP/1.1\r\n")
            assert [finish(client) for client in clients] == answered
    assert min(Counter(answered).values()) >= 4


def test_what_a_worker_was_to_take_when_it_was_killed_is_answered_by_its_sibling(
    workers: Workers,
) -> None:
    lost, left = workers.processes
    with connected(workers, 2) as first:
        answered = dict(zip(map(finish, first), first, strict=True))
        assert len(answered) == 2
        os.kill(lost.pid, signal.SIGSTOP)  # it takes nothing up
        answered[lost.pid].close()
        with connected(workers, 6) as clients:
            os.kill(lost.pid, signal.SIGKILL)
            assert {finish(client) for client in clients} == {left.pid}


def test_a_worker_that_ends_leaves_its_connections_whole_and_another_takes_its_place(
    workers: Workers,
) -> None:
    ended, left = workers.processes
    ended.terminate()
    wait_for(lambda: not workers.board.is_ready(0))  # until then it may take and close a new one
    with connected(workers, 20) as clients:
        assert set(map(finish, clients)) == {left.pid}
    ended.wait(10)
    assert not workers.board.is_ready(0)
    workers.processes[0] = workers.start(1)
    wait_for(lambda: workers.board.is_ready(0) and not workers.connections(), 30)
    assert count_by_process(workers, 8) == [4, 4]


def test_the_sockets_are_in_a_folder_of_the_owner_alone(workers: Workers) -> None:
    folder = Path(os.environ["PERENNIAL_WORKER_GROUP"].partition(" ")[2])
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {each.name for each in folder.iterdir()} >= {"board", "worker-0", "worker-1"}
