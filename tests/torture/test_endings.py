"""Commands ended at random instants by SIGKILL, SIGTERM and Ctrl-C, as a person starts them.

Each starts a Prefect server of its own. Within five seconds nothing may be left running, whoever
reads its output must be let go, and the root must be whole. The ordinary test run ends a few;
`make torture` forty, ten and ten of them.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from ground import LONG, MODEL, SEED, later
from whole import Inspector

from tasks.registry.versions import find_champion
from tasks.storage.store import open_store

if TYPE_CHECKING:
    from conftest import Released

ENDINGS = {signal.SIGKILL: 40, signal.SIGTERM: 10, signal.SIGINT: 10}
BOOTING = 0.5  # s: before the first line of ours is run, Python itself ends by the signal
WITHIN = 5.0  # s
UNDISTURBED = 600.0  # s: the first of many, which shows how long a run takes here


class Endings:
    """A root of its own; what is started on it is known by its address."""

    def __init__(self, released: "Released", folder: Path) -> None:
        self.released, self.root = released, folder / "ended"
        self.environment = os.environ | {
            "PERENNIAL_ROOT": str(self.root),
            "PREFECT_HOME": str(folder / "prefect"),
            "BENTOML_HOME": str(folder / "bentoml"),
        }
        self.environment.pop("PREFECT_API_URL", None)
        self.lay()

    def lay(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)
        shutil.copytree(self.released.root, self.root)

    def start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "flows.process", *words, "--json"],
            cwd=self.released.project,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def running(self) -> list[psutil.Process]:
        found = []
        for each in psutil.process_iter():
            try:
                if each.environ().get("PREFECT_HOME") == self.environment["PREFECT_HOME"]:
                    found.append(each)
            except (psutil.AccessDenied, psutil.NoSuchProcess, psutil.ZombieProcess):
                continue
        return found

    def end(self, run: subprocess.Popen[str], number: int, after: float) -> str:
        """End a run after some seconds by a signal, and say how that went."""
        try:
            run.wait(after)
        except subprocess.TimeoutExpired:
            (os.killpg if number == signal.SIGINT else os.kill)(run.pid, number)
            told = time.monotonic()
            out, errors = run.communicate(timeout=WITHIN)
            assert run.returncode in codes(number, after), (run.returncode, out, errors)
            assert "Traceback" not in errors or after < BOOTING, errors
            while left := self.running():
                assert time.monotonic() - told < WITHIN, f"left running: {left}"
                time.sleep(0.1)
            return signal.Signals(number).name
        out, errors = run.communicate(timeout=WITHIN)
        assert run.returncode in (0, 3), (run.returncode, out, errors)
        return "over before"


def codes(number: int, after: float) -> set[int]:
    if number == signal.SIGKILL:
        return {-number}
    return {128 + number, -number} if after < BOOTING else {128 + number}


@pytest.fixture
def endings(released: "Released", tmp_path: Path) -> Endings:
    return Endings(released, tmp_path)


@pytest.mark.parametrize("command", ["retrain", "approve"])
def test_nothing_outlives_a_command_that_is_ended(endings: Endings, command: str) -> None:
    drawn = random.Random(f"{SEED} {command}")
    share = {each: count // 2 if LONG else 1 for each, count in ENDINGS.items()}
    numbers = [each for each, count in share.items() for _ in range(count)]
    drawn.shuffle(numbers)
    ended, longest = Counter[str](), 15.0
    inspector = Inspector(open_store(str(endings.root)), MODEL)
    for place, number in enumerate([0, *numbers] if LONG else numbers):
        champion = find_champion(inspector.store, MODEL)
        if champion is not None and champion.version == endings.released.newer:
            endings.lay()
        words = {
            "retrain": ("--as-of", later(place).isoformat()),
            "approve": (endings.released.newer, "--as", "Ada", "--reason", "x", "--override"),
        }[command]
        begun, after = time.monotonic(), drawn.uniform(0, longest) if number else UNDISTURBED
        said = endings.end(endings.start(command, MODEL, *words), number, after)
        ended[said] += 1
        if said == "over before":
            longest = time.monotonic() - begun
        inspector.look()
    inspector.look_again()
    print(f"\n{command}: {dict(ended)}")
