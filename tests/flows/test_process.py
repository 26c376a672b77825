"""A process that is told to end does so in time, whatever it is doing and whom it has started."""

import os
import signal
import subprocess
import sys

import psutil
import pytest
from system import wait_for

from flows.process import INTERRUPTED

# Native code does not look at signals; the children are in nobody's group, one of them an orphan.
DEAF = """
import atexit, ctypes, signal, subprocess, sys
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup it would be ignored
from flows.process import watch_signals
from tasks.processes.supervisor import adopt_orphans, end_orphans
watch_signals()
adopt_orphans()
atexit.register(end_orphans)
child = "import subprocess as s; s.Popen(['sleep', '1000'], start_new_session=True)"
subprocess.run([sys.executable, "-c", child])
subprocess.Popen(["sleep", "1000"], start_new_session=True)
print("begun", flush=True)
if sys.argv[1] == "deaf":
    libc = ctypes.CDLL(None)
    while True:
        try:
            libc.sleep(1000)
        except BaseException:
            pass
subprocess.run(["sleep", "1000"])
"""


@pytest.mark.parametrize(
    ("hearing", "times", "number"),
    [
        ("well", 1, signal.SIGINT),
        ("well", 1, signal.SIGTERM),
        ("well", 1, signal.SIGHUP),
        ("deaf", 1, signal.SIGTERM),
        ("deaf", 2, signal.SIGINT),
    ],
)
def test_process_ends_by_a_signal_with_all_that_it_started(
    hearing: str, times: int, number: int
) -> None:
    words = [sys.executable, "-c", DEAF, hearing]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "begun\n"
        children = psutil.Process(run.pid).children()
        wait_for(lambda: len(psutil.Process(run.pid).children()) >= 2)
        for _ in range(times):
            os.kill(run.pid, number)
        assert run.wait(5) == 128 + number
        assert all(not each.is_running() for each in children)
        errors = run.stderr.read() if run.stderr else ""
    assert errors == (f"perennial: {INTERRUPTED}\n" if hearing == "deaf" else "")


def test_signal_that_is_ignored_stays_so() -> None:
    code = "import os, signal, flows.process as c; signal.signal(signal.SIGHUP, signal.SIG_IGN);"
    code += "c.watch_signals(); os.kill(os.getpid(), signal.SIGHUP); print('goes on')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "goes on\n"


WRAPPED = """
import os, signal, time
from flows import cli, process

def fail(standalone_mode):
    try:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(9)
    except BaseException as error:
        raise ValueError("of a library's own") from error

cli.app = fail
process.watch_signals()
cli.main()
"""


def test_signal_that_a_library_reports_as_an_error_still_ends_as_one() -> None:
    done = subprocess.run([sys.executable, "-c", WRAPPED], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (130, f"perennial: {INTERRUPTED}\n")
