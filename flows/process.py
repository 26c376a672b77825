"""Signals: the command ends within seconds of Ctrl-C, SIGTERM or SIGHUP, with all its children.

A signal raises `Stopped` wherever the program is, so that it can clean up. What has not ended two
seconds later (native code, a server that does not answer) is killed, which leaves nothing half
visible either. This is the entry point, so it imports nothing slow.
"""

import atexit
import os
import select
import signal
import threading
from types import FrameType

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_GRACE_SECONDS = 2.0
INTERRUPTED = "interrupted; nothing is left half done, and the same command goes on from here"
told = threading.Event()  # set when the person was told of the interruption
_asked: list[int] = []  # the signals that asked this process to end


class Stopped(SystemExit):
    """A signal asked this process to end; the exit code is 128 + its number, as in shells."""

    code: int

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)


def main() -> None:
    """Run the command line in a process of its own."""
    watch_signals()
    from tasks.processes.supervisor import adopt_orphans, end_orphans

    adopt_orphans()
    atexit.register(end_orphans)  # the first to be registered is the last to be run
    from flows.cli import main as command

    command()


def watch_signals() -> None:
    """Raise `Stopped` at a signal, and kill this process if it does not end soon after."""
    heard, told = os.pipe()
    os.set_blocking(told, False)
    signal.set_wakeup_fd(told, warn_on_full_buffer=False)  # written to in the midst of native code
    for each in _ENDING:
        if signal.getsignal(each) is not signal.SIG_IGN:  # as under nohup
            signal.signal(each, _stop)
    threading.Thread(target=_insist, args=(heard,), daemon=True).start()


def take_time() -> None:
    """Let this process end without a time limit, as a server that finishes its requests."""
    signal.set_wakeup_fd(-1)


def find_stop(error: BaseException) -> Stopped | None:
    """Find out whether an error comes of a signal: a library may raise one of its own instead."""
    if isinstance(error, Stopped):
        return error
    return Stopped(_asked[0]) if _asked else None


def _stop(number: int, frame: FrameType | None) -> None:
    _asked.append(number)
    raise Stopped(number)


def _insist(heard: int) -> None:
    number = 0
    while number not in _ENDING:
        number = os.read(heard, 1)[0]
    select.select([heard], [], [], _GRACE_SECONDS)  # who asks twice will not wait
    from tasks.processes.supervisor import end_orphans

    if not told.is_set():
        os.write(2, f"perennial: {INTERRUPTED}\n".encode())
    end_orphans()
    os._exit(128 + number)


if __name__ == "__main__":
    # By its own name, else the commands would catch another `Stopped` than what is raised here.
    from flows import process

    process.main()
