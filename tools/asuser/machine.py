"""A user's machine: an empty home, a shell that knows nothing of this project, and what runs there.

Owns what a process gets and that none outlives the machine. Refuses to know what is run.
"""

import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

_LONGEST, _READY_SECONDS, _STOP_SECONDS = 900.0, 300.0, 30.0
# How a machine reaches its package registry is its own affair, and so are certificates.
_KEPT = ("PIP_", "SSL_", "REQUESTS_", "http_", "https_", "no_", "HTTP_", "HTTPS_", "NO_")
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Wrong(Exception):
    """A command did not do what the README says."""


@dataclass(frozen=True)
class Machine:
    """Commands run in `place`, with `more` variables; `programs` are found before the system's."""

    folder: Path
    place: Path
    programs: Path
    port: int = field(default_factory=lambda: find_port())
    ui_port: int = field(default_factory=lambda: find_port())
    page_port: int = field(default_factory=lambda: find_port())
    more: Mapping[str, str] = field(default_factory=dict)
    begun: float = field(default_factory=time.monotonic)

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def age(self) -> float:
        """Give the seconds since this machine is there."""
        return time.monotonic() - self.begun

    def variables(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name.startswith(_KEPT)}
        for user in (Path.home() / ".config/pip/pip.conf", Path.home() / ".pip/pip.conf"):
            if user.is_file():
                kept.setdefault("PIP_CONFIG_FILE", str(user))
        # Machines of one run download each package once.
        kept.setdefault("PIP_CACHE_DIR", str(self.folder.parent / "pip-cache"))
        return kept | {
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "PATH": f"{self.programs}:/usr/local/bin:/usr/bin:/bin",
            # The usual ports may be taken on the machine that this runs on.
            "PERENNIAL_SERVE_PORT": str(self.port),
            "PERENNIAL_UI_PORT": str(self.ui_port),
            "PERENNIAL_PAGE_PORT": str(self.page_port),
            **self.more,
        }

    def start(self, line: str, log: Path) -> subprocess.Popen[bytes]:
        self.home.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            return subprocess.Popen(
                line, shell=True, cwd=self.place, env=self.variables(), stdin=subprocess.DEVNULL,
                stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip

    def run(self, line: str, expected: int = 0) -> str:
        """Run a command to its end, and give what it said; Wrong if it ends otherwise."""
        log = self.folder / "output"
        process = self.start(line, log)
        try:
            code: int | str = process.wait(_LONGEST)
        except subprocess.TimeoutExpired:
            code = f"none after {_LONGEST:.0f} s"
            _end(process)
        said = log.read_text("utf-8", errors="replace")
        if code != expected or "Traceback" in said:
            raise Wrong(f"{line}\nexit code {code}, where {expected} is due\n{said}")
        return said

    @contextmanager
    def serving(self, line: str) -> Iterator[None]:
        """Run a server until the end of the block, then stop it as a person would: by Ctrl-C."""
        log = self.folder / "server-output"
        server = self.start(line, log)
        try:
            wait_for(lambda: server.poll() is not None or is_ready(self.port), _READY_SECONDS)
            if not is_ready(self.port):
                said = log.read_text("utf-8", errors="replace")
                raise Wrong(f"{line}\nexit code {server.poll()}, and nothing answers\n{said}")
            yield
            os.killpg(server.pid, signal.SIGINT)
            if not wait_for(lambda: server.poll() is not None, _STOP_SECONDS):
                raise Wrong(f"{line}\nstill runs {_STOP_SECONDS:.0f} s after Ctrl-C")
        finally:
            _end(server)

    def wait_until_ready(self) -> None:
        if not wait_for(lambda: is_ready(self.port), _READY_SECONDS):
            raise Wrong(f"no service is ready on port {self.port} after {_READY_SECONDS:.0f} s")

    def list_running(self) -> list[psutil.Process]:
        """List the processes that have this machine's home, whoever started them."""
        return [each for each in psutil.process_iter() if _has_home(each, str(self.home))]

    def switch_off(self) -> list[str]:
        """End what still runs, and name it."""
        wait_for(lambda: not self.list_running(), _STOP_SECONDS)
        left = self.list_running()
        named = [f"{each.pid} {' '.join(each.cmdline())[:300]}" for each in left]
        for each in left:
            with suppress(psutil.Error):
                each.kill()
        return named


def ask(port: int, path: str, body: object = None) -> Any:
    """Ask a server on loopback, in JSON; Wrong with what it said if it refuses."""
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", data, {"Content-Type": "application/json"}
    )
    try:
        with _DIRECT.open(asked, timeout=60) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise Wrong(f"{path} answers {error.code}: {error.read().decode()[:500]}") from error


def is_ready(port: int) -> bool:
    try:
        return bool(ask(port, "/readyz"))
    except (OSError, Wrong):
        return False


def wait_for(happened: Callable[[], object], seconds: float) -> bool:
    until = time.monotonic() + seconds
    while not happened() and time.monotonic() < until:
        time.sleep(0.2)
    return bool(happened())


def find_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _has_home(process: psutil.Process, home: str) -> bool:
    try:
        running = process.status() != psutil.STATUS_ZOMBIE
        return running and process.environ().get("HOME") == home
    except psutil.Error:
        return False


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
