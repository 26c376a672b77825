"""A supervisor with real processes: found while it lives, and ending all that it started."""

import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from system import wait_for

from tasks.processes import supervisor
from tasks.processes.supervisor import (
    SupervisedProcess,
    find_running,
    find_supervisor,
    stop_supervisor,
    wait_until,
)

# Keeps one process, which leaves another behind that is in nobody's group.
KEEPER = """
import sys
from pathlib import Path
from tasks.processes.supervisor import SupervisedProcess, adopt_orphans
from tasks.processes.supervisor import become_supervisor, end_orphans, keep
folder = Path(sys.argv[1])
stopping = become_supervisor(folder / "lock")
adopt_orphans()
child = "import subprocess as s; s.Popen(['sleep', '1000'], start_new_session=True).wait()"
kept = SupervisedProcess("child", [sys.executable, "-c", child], {}, folder / "log")
kept.start()
keep([kept], stopping)
kept.stop()
end_orphans()
"""


@pytest.fixture
def keeper(tmp_path: Path) -> Iterator[psutil.Process]:
    process = subprocess.Popen([sys.executable, "-c", KEEPER, str(tmp_path)])
    found = psutil.Process(process.pid)
    try:
        wait_for(lambda: sleepers(found))
        yield found
    finally:
        process.terminate()
        process.wait(10)


def sleepers(keeper: psutil.Process) -> list[psutil.Process]:
    found = []
    for each in keeper.children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # it ended since it was listed
            found += [each] if each.name() == "sleep" else []
    return found


def test_keeper_is_found_while_it_lives(keeper: psutil.Process, tmp_path: Path) -> None:
    assert find_supervisor(tmp_path / "lock") == keeper.pid
    (sleeper,) = sleepers(keeper)
    assert stop_supervisor(tmp_path / "lock")
    assert find_supervisor(tmp_path / "lock") is None
    wait_for(lambda: not sleeper.is_running())
    assert not stop_supervisor(tmp_path / "lock")


def test_process_that_is_kept_is_found_by_its_file_which_is_its_owners(
    keeper: psutil.Process, tmp_path: Path
) -> None:
    (child,) = keeper.children()
    kept = tmp_path / "log.pid"
    assert find_running(kept) == child.pid
    for name in ("lock", "log", "log.pid"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    assert stop_supervisor(tmp_path / "lock")
    assert find_running(kept) is None
    kept.write_text("no number")
    assert find_running(kept) is None


def test_child_that_may_outlive_is_not_ended() -> None:
    ending = (
        "import subprocess as s, sys\n"
        "from tasks.processes.supervisor import adopt_orphans, end_orphans, let_outlive\n"
        "adopt_orphans()\n"
        "one, two = (s.Popen(['sleep', '1000'], stdout=s.DEVNULL) for _ in range(2))\n"
        "let_outlive(one.pid)\n"
        "end_orphans()\n"
        "print(one.pid, two.pid)\n"
    )
    said = subprocess.check_output([sys.executable, "-c", ending], text=True)
    one, two = map(int, said.split())
    assert not psutil.pid_exists(two)
    psutil.Process(one).kill()


def test_second_keeper_is_refused(keeper: psutil.Process, tmp_path: Path) -> None:
    command = [sys.executable, "-c", KEEPER, str(tmp_path)]
    second = subprocess.run(command, capture_output=True, text=True)
    assert f"KeeperRuns: {tmp_path}/lock: is held by process {keeper.pid}" in second.stderr


def test_process_that_is_killed_is_started_again(keeper: psutil.Process) -> None:
    (child,), (sleeper,) = keeper.children(), sleepers(keeper)
    child.kill()
    wait_for(lambda: set(sleepers(keeper)) - {sleeper})
    assert child not in keeper.children()


def test_process_that_has_a_dead_keepers_id_is_left_alone(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "1000"]) as innocent:
        (tmp_path / "lock").write_text(str(innocent.pid))
        assert find_supervisor(tmp_path / "lock") is None
        assert not stop_supervisor(tmp_path / "lock")
        assert innocent.poll() is None
        innocent.kill()


def test_keeper_that_does_not_stop_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "_STOP_SECONDS", 0.2)
    code = "import fcntl, os, signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    code += "f = open(sys.argv[1], 'w'); fcntl.flock(f, fcntl.LOCK_EX)\n"
    code += "f.write(str(os.getpid())); f.flush(); time.sleep(60)"
    file = tmp_path / "keeper"
    deaf = subprocess.Popen([sys.executable, "-S", "-c", code, str(file)])
    wait_for(lambda: find_supervisor(file) == deaf.pid)
    assert stop_supervisor(file)
    assert deaf.wait(5) == -9
    assert not wait_until(lambda: False, 0.0)


def test_what_was_never_started_need_not_be_stopped(tmp_path: Path) -> None:
    SupervisedProcess("idle", ["true"], {}, tmp_path / "log").stop()
    assert not (tmp_path / "log").exists()


def test_other_systems_than_linux_adopt_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(supervisor.ctypes, "CDLL", lambda name: pytest.fail("this is Linux only"))
    supervisor.adopt_orphans()
