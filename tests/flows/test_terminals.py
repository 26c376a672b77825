"""The installed command as a terminal, a pipe and a shell that completes meet it."""

import fcntl
import json
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import termios
import time
from importlib.metadata import version as installed_version
from pathlib import Path

import pytest

COMMAND = str(Path(sys.executable).parent / "perennial")
COLOUR = re.compile(rb"\x1b\[[0-9;]*3[0-9]m")
BOXES = re.compile("[│┃━─┏┓└┘╭╮╰╯]")
VERSION = "20131001T000000Z-6e05a89cc6"


def run_in_pipe(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, *words], capture_output=True, text=True, env=os.environ | environment, timeout=60
    )


def run_in_terminal(*words: str, **environment: str) -> bytes:
    """Run in a terminal of 80 columns, and give all that it showed."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    settings = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES")}
    settings |= {"TERM": "xterm-256color", **environment}
    with subprocess.Popen(
        [COMMAND, *words], stdin=theirs, stdout=theirs, stderr=theirs, env=settings
    ) as process:
        os.close(theirs)
        shown = b""
        try:
            while part := os.read(ours, 65536):
                shown += part
        except OSError:  # so Linux says that nobody writes any more
            pass
        os.close(ours)
        process.wait(30)
    return shown


@pytest.fixture
def kept(project: Path) -> Path:
    """Put a version's folder into the root, which is all that completion looks at."""
    folder = Path(os.environ["PERENNIAL_ROOT"], "models", "flight-delay", VERSION)
    folder.mkdir(parents=True)
    return folder


def test_version_is_told(project: Path) -> None:
    assert run_in_pipe("--version").stdout == f"perennial {installed_version('perennial-ml')}\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nothing"], "no such command 'nothing'; see `perennial --help`"),
        (["retrain"], "missing argument 'model'; see `perennial retrain --help`"),
        (["serve", "m", "--port", "0"], "see `perennial serve --help`"),
        (["status", "--jason"], "no such option: --jason"),
        (["retrain", "flight-dely"], "did you mean 'flight-delay'?"),
    ],
)
def test_wrong_use_is_one_plain_line_in_a_pipe(project: Path, words: list[str], said: str) -> None:
    ran = run_in_pipe(*words)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith("perennial: ")
    assert said in ran.stderr
    assert "\x1b" not in ran.stderr
    assert not BOXES.search(ran.stderr)
    as_json = run_in_pipe(*words, "--json")
    assert set(json.loads(as_json.stdout)) == {"error", "exit"}


def test_no_words_at_all_give_the_help(project: Path) -> None:
    ran = run_in_pipe()
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith("Usage: perennial")


def test_colours_are_for_terminals_that_want_them(project: Path) -> None:
    assert COLOUR.search(run_in_terminal("retrain", "flight-dely"))
    plain = run_in_terminal("retrain", "flight-dely", NO_COLOR="1")
    assert b"flight-dely" in plain
    assert not COLOUR.search(plain)


def test_terminal_of_80_columns_shows_whole_versions(kept: Path) -> None:
    shown = run_in_terminal("show", "flight-delay", VERSION, NO_COLOR="1").decode()
    assert f"version '{VERSION}' does not exist" in " ".join(shown.split())


@pytest.mark.parametrize("command", ["status", "schema", "doctor"])
def test_nothing_is_drawn_in_a_pipe(project: Path, command: str) -> None:
    said = run_in_pipe(command).stdout
    assert said
    assert "\x1b" not in said
    assert not BOXES.search(said)


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_bash_completes_commands_models_and_versions(kept: Path) -> None:
    script = f"""
    source <({COMMAND} --show-completion)
    PATH={Path(COMMAND).parent}:$PATH
    try() {{ COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _perennial_completion perennial
             echo "${{COMPREPLY[@]}}"; }}
    try perennial retr
    try perennial retrain fl
    try perennial show flight-delay 2013
    try perennial show ../secret 2
    """
    ran = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60)
    assert ran.stderr == ""
    assert ran.stdout.splitlines() == ["retrain", "flight-delay", VERSION, ""]


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_are_given_the_same(kept: Path, shell: str) -> None:
    asked = {
        "_PERENNIAL_COMPLETE": f"complete_{shell}",
        "_TYPER_COMPLETE_ARGS": "perennial show flight-delay 2",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    assert VERSION in run_in_pipe(**asked).stdout


def test_completion_takes_a_moment_and_loads_nothing_heavy(kept: Path) -> None:
    asked = {"COMP_WORDS": "perennial show flight-delay 2", "COMP_CWORD": "3"}
    began = os.times()
    ran = run_in_pipe(_PERENNIAL_COMPLETE="complete_bash", **asked)
    spent = os.times()
    assert ran.stdout.strip() == VERSION
    # The processor's time, for the machine may be busy.
    used = spent.children_user + spent.children_system
    assert used - began.children_user - began.children_system < 0.8


def test_completion_of_a_bucket_asks_nobody(kept: Path) -> None:
    asked = {"COMP_WORDS": "perennial show flight-delay 2", "COMP_CWORD": "3"}
    root = {"PERENNIAL_ROOT": "s3://nowhere/prefix"}
    began = time.monotonic()
    ran = run_in_pipe(_PERENNIAL_COMPLETE="complete_bash", **asked, **root)
    assert (ran.returncode, ran.stdout.strip(), ran.stderr) == (0, "", "")
    assert time.monotonic() - began < 10
