"""A server gets an environment of its own and a free port, and is asked whether it is ready."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest
from doubling import doubling_service

from tasks.core.errors import BuildFailed, StartFailed
from tasks.processes.bento_server import (
    HOST,
    Booting,
    bento_environment,
    find_port,
    is_ready,
    leash,
    refuse_taken,
    stop_server,
)


def test_only_what_answers_readyz_with_200_is_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")  # no probe goes by a proxy
    with doubling_service() as service:
        assert not is_ready(service.port)
        service.answer = staticmethod(lambda path, asked: (200 if path == "/readyz" else 404, {}))
        assert is_ready(service.port)
    assert not is_ready(service.port)


def test_what_a_person_set_for_this_system_is_not_passed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PERENNIAL_ROOT", "BENTOML_CONFIG", "PREFECT_API_URL", "PYTHONPATH"):
        monkeypatch.setenv(name, "mine")
    given = bento_environment(tmp_path, PERENNIAL_ROOT="given")
    assert "mine" not in given.values()
    assert given["PERENNIAL_ROOT"] == "given"
    assert Path(given["TMPDIR"]).is_dir()


def test_an_address_that_cannot_be_listened_on_is_refused() -> None:
    refuse_taken(HOST, find_port())
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StartFailed, match=f"port {port} is taken by another program"):
            refuse_taken(HOST, port)
    with pytest.raises(StartFailed, match="cannot be listened on here"):
        refuse_taken("192.0.2.1", 3000)


def test_a_server_that_ended_is_told_with_its_last_line(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("starting\nno such service\n")
    server = subprocess.Popen([sys.executable, "-c", ""])
    server.wait()
    with pytest.raises(BuildFailed, match="the bento's server ended: no such service"):
        Booting(server, find_port(), tmp_path / "log").wait()


def test_a_leashed_module_runs_and_is_stopped_with_all_that_it_started() -> None:
    code = leash("http.server", "--bind", HOST, str(find_port()))
    server = subprocess.Popen(code, stderr=subprocess.DEVNULL, start_new_session=True)
    assert server.poll() is None
    stop_server(server)
    assert server.returncode is not None
