"""The server is asked with its password, and one that is slow is not waited for."""

import socket
import time

import pytest

from flows.ui.prefect_api import UNREACHED, ask, open_client
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
