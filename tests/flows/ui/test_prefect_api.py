"""The server is asked with its password, and one that is slow is not waited for."""

import socket
import threading
import time

import httpx
import pytest
from receivers import Receiver, receiving

from flows.ui import prefect_api
from flows.ui.prefect_api import UNREACHED, ask, open_client, start
from tasks.processes.settings import PASSWORDS


def test_password_is_sent_and_a_silent_server_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSWORDS[1], "ada:love:lace")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("PREFECT_API_URL", f"http://127.0.0.1:{silent.getsockname()[1]}/api")
        began = time.monotonic()
        with open_client() as client, pytest.raises(UNREACHED):
            ask(client, "/flow_runs/filter", {})
        assert time.monotonic() - began < 10
        heard, _ = silent.accept()
        with heard:
            assert b"authorization: basic ywrhomxvdmu6bgfjzq==" in heard.recv(5000).lower()


@pytest.mark.parametrize("address", ["", "nonsense", "http://[/api"])
def test_no_address_and_a_wrong_one_are_a_server_that_is_not_there(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", address)
    with pytest.raises(UNREACHED), open_client() as client:
        ask(client, "/flow_runs/filter", {})


def test_server_whose_database_is_locked_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving() as server:
        monkeypatch.setenv("PREFECT_API_URL", f"http://{server.place}/api")
        server.status = 503
        mended = threading.Timer(1.2, setattr, (server, "status", 201))
        mended.start()
        with open_client() as client:
            start(client, "/start", {"idempotency_key": "k"})
        mended.join()
        assert len(server.bodies) > 1
        assert {each["idempotency_key"] for each in server.bodies} == {"k"}


def test_server_that_stays_locked_or_refuses_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefect_api, "START_SECONDS", 1.0)

    def count_asked(server: Receiver, status: int) -> int:
        server.status = status
        server.bodies.clear()
        with open_client() as client, pytest.raises(httpx.HTTPStatusError):
            start(client, "/start", {})
        return len(server.bodies)

    with receiving() as server:
        monkeypatch.setenv("PREFECT_API_URL", f"http://{server.place}/api")
        assert count_asked(server, 503) > 1
        assert count_asked(server, 409) == 1


def test_start_waits_longer_than_a_page_does(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving() as server:
        monkeypatch.setenv("PREFECT_API_URL", f"http://{server.place}/api")
        server.delay = 1.5
        with open_client() as client:
            start(client, "/start", {})
        assert len(server.bodies) == 1
