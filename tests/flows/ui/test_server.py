"""The page says where it is and what it asks for; an address that cannot be is told in a line."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from system import find_ports

from tasks.storage.store import Store

COMMAND = [sys.executable, "-P", "-m", "flows.process", "ui"]


def run(*words: str) -> tuple[int, str]:
    done = subprocess.run([*COMMAND, *words], capture_output=True, text=True, timeout=60)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr


def test_page_answers_where_it_says_and_ends_when_it_is_asked_to(store: Store) -> None:
    port = find_ports(1)
    server = subprocess.Popen(
        [*COMMAND, "--port", str(port), "--json"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        said = json.loads(server.stdout.readline())
        assert said["root"] == store.root
        name, word = Path(said["password"]).read_text().split(":")
        with httpx.Client(base_url=said["url"], trust_env=False) as client:
            assert client.get("/").status_code == 401
            assert client.get("/", auth=(name, word)).status_code == 200
    finally:
        server.terminate()
        assert server.wait(20) == 0
        server.stdout.close()  # type: ignore[union-attr]


@pytest.mark.usefixtures("store")
def test_port_that_is_taken_is_told_in_a_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, said = run("--port", port)
    assert code == 1
    assert f"port {port} is taken by another program; give another --port" in said


@pytest.mark.usefixtures("store")
def test_address_that_others_reach_needs_a_password_of_one_s_choice() -> None:
    code, said = run("--host", "0.0.0.0", "--port", str(find_ports(1)))
    assert code == 2
    assert "is reached by others: set PREFECT_SERVER_API_AUTH_STRING" in said
