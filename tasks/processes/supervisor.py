"""A supervisor: one process that starts others, and starts again those that end.

It holds a lock on a file with its process id for as long as it lives, so that the id in a locked
file is never another process's. By hand: honcho does not restart what ends, and circus brings
ZeroMQ.
"""

import ctypes
import fcntl
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO

from tasks.core.errors import KeeperRuns
from tasks.processes.bento_server import stop_server

log = logging.getLogger("perennial.keeper")

_outliving: set[int] = set()
_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER
_LOOK_SECONDS, _GLANCE_SECONDS, _STOP_SECONDS = 0.2, 1.0, 60.0
_FIRST_PAUSE, _LONGEST_PAUSE, _STEADY_SECONDS = 0.5, 30.0, 60.0


class SupervisedProcess:
    """A process in a group of its own, that is started again when it ends."""

    def __init__(
        self, name: str, command: Sequence[str], variables: Mapping[str, str], log: Path
    ) -> None:
        self.name = name
        self._command, self._variables, self._log = list(command), dict(variables), log
        self._told = log.with_suffix(".pid")  # for `find_running`
        self._process: subprocess.Popen[bytes] | None = None
        self._started, self._next, self._pause = 0.0, 0.0, _FIRST_PAUSE

    def start(self) -> None:
        with open_private(self._log, "ab") as output:
            self._process = subprocess.Popen(
                self._command,
                env=self._variables,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self._started = time.monotonic()
        with open_private(self._told, "wb") as file:
            file.write(str(self._process.pid).encode())

    def look(self) -> None:
        """Start the process again if it has ended; the sooner it ends, the longer the pause."""
        if self._process is not None and self._process.poll() is not None:
            log.error("%s ended with %d", self.name, self._process.returncode)
            self.stop()  # what it started must not outlive it
            lived = time.monotonic() - self._started
            longer = min(2 * self._pause, _LONGEST_PAUSE)
            self._pause = _FIRST_PAUSE if lived > _STEADY_SECONDS else longer
            self._process, self._next = None, time.monotonic() + self._pause
        if self._process is None and time.monotonic() >= self._next:
            self.start()

    def stop(self) -> None:
        if self._process is not None:
            stop_server(self._process)
        self._told.unlink(missing_ok=True)


def become_supervisor(file: Path) -> threading.Event:
    """Hold a lock file until this process ends; the event is set when it is asked to stop."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(
        file, os.O_RDWR | os.O_CREAT, 0o600
    )  # never closed: the end of the process does
    if not wait_until(lambda: _lock(handle), _GLANCE_SECONDS):  # who looks for one holds it, too
        raise KeeperRuns(f"{file}: is held by process {find_supervisor(file)}")
    os.ftruncate(handle, 0)
    os.write(handle, str(os.getpid()).encode())
    stopping = threading.Event()
    for asked in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(asked, lambda *_: stopping.set())
    return stopping


def _lock(handle: int) -> bool:
    with suppress(BlockingIOError):
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def adopt_orphans() -> None:
    """Become the parent of what is left behind by a process that was killed; on Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SUBREAPER, 1)


def end_orphans() -> None:
    """End every process that this one is still the parent of, whichever thread started it."""
    while found := _list_children() - _outliving:
        for each in found:
            with suppress(ProcessLookupError, ChildProcessError):  # another thread waited for it
                os.kill(each, signal.SIGKILL)
                os.waitpid(each, 0)  # its own children are ours from now on


def let_outlive(process: int) -> None:
    """Let a child go on after this process, which otherwise ends all that it started."""
    _outliving.add(process)


def _list_children() -> set[int]:
    found: set[int] = set()
    for children in Path("/proc/self/task").glob("*/children"):
        with suppress(FileNotFoundError, ProcessLookupError):  # the thread has ended
            found |= {int(each) for each in children.read_text().split()}
    return found


def keep(processes: Sequence[SupervisedProcess], stopping: threading.Event) -> None:
    """Look after processes until asked to stop."""
    while not stopping.wait(_LOOK_SECONDS):
        for each in processes:
            each.look()


def find_supervisor(file: Path) -> int | None:
    """Find the process that holds a lock file."""
    with suppress(FileNotFoundError), file.open("r") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return int(handle.read() or 0) or None
    return None


def find_running(file: Path) -> int | None:
    """Find a supervised process that still runs, by the file that its supervisor wrote."""
    with suppress(FileNotFoundError, ValueError, ProcessLookupError, PermissionError):
        found = int(file.read_text())
        os.kill(found, 0)
        return found
    return None


def open_private(path: Path, mode: str) -> IO[bytes]:
    """Open a file that, where it is made, only its owner may read."""
    return open(path, mode, opener=partial(os.open, mode=0o600))


def stop_supervisor(file: Path) -> bool:
    """Ask a supervisor to stop all its processes, and wait for it; False where there is none."""
    found = find_supervisor(file)
    if found is None:
        return False
    os.kill(found, signal.SIGTERM)
    if not wait_until(lambda: find_supervisor(file) != found, _STOP_SECONDS):
        os.kill(found, signal.SIGKILL)  # its processes are on a leash, and end with it
        wait_until(lambda: find_supervisor(file) != found, _STOP_SECONDS)
    return True


def wait_until(happened: Callable[[], object], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > deadline:
            return False
        time.sleep(_LOOK_SECONDS)
    return True
