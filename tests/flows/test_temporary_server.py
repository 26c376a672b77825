"""A run's own Prefect server: it asks for a password, and does not outlive its run."""

import io
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import httpx
import psutil
import pytest
from system import wait_for

from flows import temporary_server
from tasks.core.errors import StartFailed

RUN = """
import os, sys, threading
from flows.temporary_server import start_server
from tasks.processes.settings import PASSWORDS
start_server()()
start_server()()  # one is set by now
print(os.environ["PREFECT_API_URL"], os.environ[PASSWORDS[1]], flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[subprocess.Popen[str]]:
    """Start a run in a folder that holds modules of the same names as ours."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "flows").mkdir()
    for name in ("flows/__init__.py", "tasks.py", "signal.py"):
        (folder / name).write_text("raise SystemExit('the wrong module')")
    variables = os.environ | {"PREFECT_HOME": str(folder / "prefect")}
    variables.pop("PREFECT_API_URL", None)
    started = subprocess.Popen(
        [sys.executable, "-P", "-c", RUN],
        cwd=folder,
        env=variables,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with started:
        yield started
        started.kill()


def test_server_belongs_to_its_run(run: subprocess.Popen[str]) -> None:
    assert run.stdout is not None
    api, password = run.stdout.readline().split()
    (server,) = psutil.Process(run.pid).children()
    assert os.getsid(server.pid) == server.pid
    assert password not in " ".join(server.cmdline())
    with httpx.Client(base_url=api, trust_env=False) as client:
        assert client.get("/version").status_code == 401
        client.auth = (*password.split(":"),)
        assert client.get("/version").status_code == 200
        assert client.get("/version", headers={"Host": "evil.example"}).status_code == 400
        page = {"Origin": "https://evil.example"}
        assert client.get("/version", headers=page).status_code == 200
    os.kill(run.pid, signal.SIGKILL)
    assert run.stdout.read() == ""  # the server does not hold the run's output
    wait_for(lambda: not server.is_running() or server.status() == psutil.STATUS_ZOMBIE, 5)


def test_server_ends_with_its_input_where_no_kernel_ends_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = subprocess.Popen(
            [sys.executable, "-m", "flows.prefect_server", str(listening.fileno())],
            stdin=subprocess.PIPE,
            pass_fds=[listening.fileno()],
        )
    assert server.stdin is not None
    server.stdin.close()
    assert server.wait(30) == 1


def test_server_that_does_not_start_is_told_by_what_it_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    said = "own Prefect server does not answer: the database is locked"
    with pytest.raises(StartFailed, match=said):
        temporary_server._wait(port, io.BytesIO(b"starting\nthe database is locked\n"))
