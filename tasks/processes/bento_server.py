"""A bento's server as a process: started, waited for, and stopped whatever happens.

Responsible for the environment that a server gets, and for ending it with its parent process. Not
responsible for what is asked of it.
"""

import errno
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from tasks.core.errors import BuildFailed, StartFailed

HOST = "127.0.0.1"
_READY_SECONDS, _STOP_SECONDS, _POLL_SECONDS = 90.0, 15.0, 0.05
# The kernel ends the server when its parent is gone, even by SIGKILL; elsewhere than on Linux only
# the parent's own clean-up does.
_LEASH = """
import ctypes, os, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, int(sys.argv[2]))
    if os.getppid() != int(sys.argv[1]):
        sys.exit(1)
os.execv(sys.executable, [sys.executable, "-P", *sys.argv[3:]])
"""


def bento_environment(home: Path, **given: str) -> dict[str, str]:
    """Give BentoML a home of its own, and nothing of ours that would change what a bento does."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PERENNIAL_", "BENTOML_", "PREFECT_")) and name != "PYTHONPATH"
    }
    temporary = home / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    own = {"BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "true", "TMPDIR": str(temporary)}
    return kept | own | given


def leash(module: str, *words: str, ending: int = signal.SIGTERM) -> list[str]:
    """Give the command that runs a module in a process that ends with the thread that starts it.

    What lies in the folder where it is started (-P) is not taken for a module.
    """
    ours = (str(os.getpid()), str(int(ending)))
    return [sys.executable, "-P", "-c", _LEASH, *ours, "-m", module, *words]


def start_server(
    bento: Path, host: str, port: int, environment: Mapping[str, str], log: int | None = None
) -> subprocess.Popen[bytes]:
    """Start `bentoml serve` on a built bento, in a process group of its own."""
    return subprocess.Popen(
        leash("bentoml", "serve", str(bento), "--host", host, "--port", str(port)),
        cwd=bento,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )


def stop_server(server: subprocess.Popen[bytes], seconds: float = _STOP_SECONDS) -> None:
    """Ask a server to finish, then make it and every process it started."""
    if server.poll() is None:
        server.terminate()
        with suppress(subprocess.TimeoutExpired):
            server.wait(seconds)
    with suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)
    server.wait()


class Booting:
    """A server that was started on a port of loopback, and may not answer yet."""

    def __init__(self, server: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.server, self.port, self.log = server, port, log

    def wait(self) -> None:
        """Wait for /readyz to say 200; BuildFailed with the last line if it never does."""
        deadline = time.monotonic() + _READY_SECONDS
        while time.monotonic() < deadline and self.server.poll() is None:
            if is_ready(self.port):
                return
            time.sleep(_POLL_SECONDS)
        ended = self.server.poll() is not None
        what = "ended" if ended else f"is not ready after {_READY_SECONDS:.0f} s"
        said = last_line(self.log.read_text(errors="replace"))
        raise BuildFailed(f"the bento's server {what}: {said}")


@contextmanager
def booting_server(bento: Path, home: Path, **given: str) -> Iterator[Booting]:
    """Start a bento on a free port of loopback, and stop it whatever happens."""
    environment, port = bento_environment(home, **given), find_port()
    path = home / "server.log"
    with path.open("wb") as log:
        server = start_server(bento, HOST, port, environment, log.fileno())
    try:
        yield Booting(server, port, path)
    finally:
        stop_server(server)


def last_line(said: str) -> str:
    return (said.strip().splitlines() or ["it said nothing"])[-1]


def is_ready(port: int, host: str = HOST) -> bool:
    """Tell whether a server on this port answers /readyz with 200, within 2 s."""
    import httpx  # not at the start of every command

    url = f"{address_of(host, port)}/readyz"
    try:  # without TLS, certificates need not be read for each probe
        return httpx.get(url, timeout=2, trust_env=False, verify=False).status_code == 200
    except httpx.TransportError:
        return False


def wait_ready(server: subprocess.Popen[bytes], host: str, port: int) -> bool:
    """Wait until a server answers that it is ready; False where it ended before."""
    while server.poll() is None:
        if is_ready(port, host):
            return True
        time.sleep(_POLL_SECONDS)
    return False


def address_of(host: str, port: int) -> str:
    """Give the address to ask a server at that listens on a host: on all of them, at loopback.

    >>> address_of("0.0.0.0", 3000), address_of("::1", 3000)
    ('http://127.0.0.1:3000', 'http://[::1]:3000')
    """
    name = {"0.0.0.0": HOST, "::": "::1"}.get(host, host)
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def refuse_taken(host: str, port: int) -> None:
    """Refuse an address that cannot be listened on; StartFailed says why and what to give."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as asked:
            asked.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            asked.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            said = f"port {port} is taken by another program; give another --port"
        elif error.errno == errno.EACCES:
            said = f"port {port} is not for this user; give a --port above 1023"
        else:
            said = f"--host {host}: cannot be listened on here: {error.strerror or error}"
        raise StartFailed(said) from error


def find_port() -> int:
    with socket.socket() as free:
        free.bind((HOST, 0))
        port: int = free.getsockname()[1]
        return port
