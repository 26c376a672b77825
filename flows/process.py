"""The command as a process: it ends within seconds of being told to, with all that it started.

Ctrl-C, SIGTERM and SIGHUP stop what is going on wherever it is, so that it can tidy up. What has
not ended soon after (native code that does not look, a server that does not answer) is ended as by
SIGKILL, which leaves nothing half visible either. Imports nothing that takes time.
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
told = threading.Event()  # that it was interrupted


class Stopped(SystemExit):
    """A signal asked this process to end, with the code that shells give for it."""

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
    """Stop at a signal, and see to it that stopping comes to an end."""
    heard, told = os.pipe()
    os.set_blocking(told, False)
    signal.set_wakeup_fd(told, warn_on_full_buffer=False)  # written to in the midst of native code
    for each in _ENDING:
        if signal.getsignal(each) is not signal.SIG_IGN:  # as under nohup
            signal.signal(each, _stop)
    threading.Thread(target=_insist, args=(heard,), daemon=True).start()


def take_time() -> None:
    """Let this process end as slowly as it has to."""
    signal.set_wakeup_fd(-1)


def _stop(number: int, frame: FrameType | None) -> None:
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
    main()
