"""A server that is set and not there is told at once, by every command that would run on it."""

import socket
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

from flows import cli
from flows.prefect_connection import check_server
from tasks.core.errors import DefinitionError, StartFailed
from tasks.maintenance import doctor
from tasks.processes.bento_server import find_port, refuse_taken

if TYPE_CHECKING:
    from conftest import Released

DECIDED = ["--as", "Ada", "--reason", "so"]


def commands(released: "Released") -> list[list[str]]:
    """List each command that starts a flow."""
    model = "flight-delay"
    return [
        ["retrain", model, "--as-of", "2013-07-26"],
        ["approve", model, released.newer, *DECIDED],
        ["reject", model, released.newer, *DECIDED],
        ["score", model, "--input", "a.csv", "--output", "b.csv"],
        ["monitor", model],
        ["backtest", model, "--from", "2013-06-01", "--to", "2013-07-01"],
        ["drill", model],
    ]


def test_server_that_is_not_there_is_one_line(
    released: "Released", monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", f"http://me:secret@127.0.0.1:{find_port()}/api")
    for words in commands(released):
        monkeypatch.setattr(sys, "argv", ["perennial", *words])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        assert stopped.value.code == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("perennial: PREFECT_API_URL=http://me:***@127.0.0.1:")
        assert (
            "no server answers there (Connection refused); start it (perennial up), or unset"
            in line
        )


class Asking(BaseHTTPRequestHandler):
    """Answer as Prefect's server does that has a password."""

    def do_GET(self) -> None:
        known = f"Basic {b64encode(b'admin:right').decode()}"
        open_to_all = self.path == "/api/health"
        right = open_to_all or self.headers.get("Authorization") == known
        self.send_response(200 if right else 401)
        self.end_headers()
        self.wfile.write(b'"3"' if right else b'{"exception_message":"Unauthorized"}')

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def asking() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Asking) as server:
        threading.Thread(target=server.serve_forever).start()
        yield server.server_port
        server.shutdown()


@pytest.mark.parametrize(("given", "said"), [(None, "a"), ("admin:wrong", "another")])
def test_password_that_the_shell_does_not_know_is_one_line(
    given: str | None,
    said: str,
    asking: int,
    released: "Released",
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    address = f"http://127.0.0.1:{asking}/api"
    monkeypatch.setenv("PREFECT_API_URL", address)
    monkeypatch.delenv("PREFECT_API_AUTH_STRING", raising=False)
    if given:
        monkeypatch.setenv("PREFECT_API_AUTH_STRING", given)
    password = Path(".perennial/run/password").absolute()
    mend = f'export PREFECT_API_AUTH_STRING="$(cat {password})"'
    settings = {PREFECT_API_URL: address, PREFECT_API_AUTH_STRING: given}
    for words in commands(released):
        monkeypatch.setattr(sys, "argv", ["perennial", *words])
        begun = time.monotonic()
        with pytest.raises(SystemExit) as stopped, temporary_settings(settings):
            cli.main()
        assert stopped.value.code == 1
        assert time.monotonic() - begun < 2
        (line,) = capsys.readouterr().err.splitlines()
        told = f"perennial: PREFECT_API_URL={address}: asks for {said} password; {mend}"
        assert line == f"{told}, where `perennial up` keeps it"
    with temporary_settings(settings):
        (finding,) = doctor.check_server()
    assert (finding.well, finding.mend) == (False, mend)
    assert finding.detail == f"{address} asks for a password"


def test_password_of_a_variable_an_address_or_a_profile_is_taken(
    asking: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"http://127.0.0.1:{asking}/api"
    monkeypatch.setenv("PREFECT_API_URL", address)
    with temporary_settings({PREFECT_API_AUTH_STRING: "admin:right"}):
        check_server()
    monkeypatch.setenv("PREFECT_API_URL", address.replace("//", "//admin:right@"))
    check_server()
    monkeypatch.setenv("PREFECT_API_URL", address)
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", "admin:right")
    check_server()


@pytest.mark.parametrize("address", ["localhost:4200", "http://[x/api", "http:///api", "ftp://x/"])
def test_address_that_is_none_is_refused(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", address)
    with pytest.raises(DefinitionError, match="is no address; write http://HOST:PORT/api"):
        check_server()


@pytest.fixture
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_server_of_a_profile_or_behind_a_proxy_is_not_missed(
    listening: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    with temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{listening}/api"}):
        check_server()
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        with pytest.raises(StartFailed):
            check_server()
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        check_server()
    monkeypatch.setenv("PREFECT_API_URL", "")
    check_server()


def test_port_that_cannot_be_listened_on_is_told(
    listening: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["perennial", "serve", "m", "--port", str(listening)]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == 1
    with pytest.raises(StartFailed, match=f"^port {listening} is taken by another program; give"):
        refuse_taken("127.0.0.1", listening)
    with pytest.raises(StartFailed, match=r"^--host 192\.0\.2\.1: cannot be listened on here: "):
        refuse_taken("192.0.2.1", 3000)
    with pytest.raises(StartFailed, match=r"^--host nowhere\.invalid: cannot be listened on"):
        refuse_taken("nowhere.invalid", 3000)
    refuse_taken("127.0.0.1", find_port())
    monkeypatch.setattr(socket.socket, "bind", deny)
    with pytest.raises(StartFailed, match=r"^port 80 is not for this user; give a --port above"):
        refuse_taken("127.0.0.1", 80)


def deny(*_: object) -> None:
    raise PermissionError(13, "Permission denied")
