"""How benchmarks measure: one function in a fresh interpreter, its time and its peak memory.

Owns the peers' environment too: what is measured against is installed from `peers.lock`, apart
from the project. Imports nothing but the standard library, so that peers can run it.
"""

import importlib
import json
import os
import platform
import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks/results"
LOCK = ROOT / "benchmarks/peers.lock"
PEERS = ROOT / ".venv-peers"
LONGEST = 3600.0  # seconds that one measurement may take: nobody waits for what hangs


@dataclass(frozen=True)
class Measurement:
    """One run: `baseline_mb` is the peak with libraries imported, before the work began."""

    seconds: float
    peak_mb: float
    baseline_mb: float

    @property
    def own_mb(self) -> float:
        return self.peak_mb - self.baseline_mb


def measure(
    function: str, *arguments: str, python: str = sys.executable, runs: int = 1
) -> Measurement:
    """Measure `module:function`, which imports what it needs and returns the work to be timed.

    Gives the run of median time. Call it from a process that has loaded little: a child's peak
    starts from that of the process that forked it.
    """
    command = [python, "-m", "benchmarks.measure", function, *arguments]
    outputs = []
    for run in range(runs):
        say(f"  {function.partition(':')[2]}" + f", run {run + 1} of {runs}" * (runs > 1))
        outputs.append(
            subprocess.run(
                command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True, timeout=LONGEST
            ).stdout
        )
    measured = [Measurement(**json.loads(output.splitlines()[-1])) for output in outputs]
    return sorted(measured, key=lambda run: run.seconds)[runs // 2]


def read_versions(*names: str, lock: Path | None = None) -> dict[str, str]:
    """Give the versions of packages: those installed here, or those that a lock pins."""
    if lock is None:
        return {name: version(name) for name in names}
    locked = dict(re.findall(r"^(\S+)==(\S+)", lock.read_text(), re.MULTILINE))
    return {name: locked[name] for name in names}


def install_peers(lock: Path = LOCK, folder: Path = PEERS) -> str:
    """Bring the peers' environment to what its lock says, and give its interpreter."""
    python, stamp = str(folder / "bin/python"), folder / "lock.sha256"
    digest = sha256(lock.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != digest:
        say(f"installing {lock.name} into {folder.name}: once, and it takes minutes")
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        install = [python, "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
        subprocess.run([*install, "--no-deps", "--require-hashes", "-r", str(lock)], check=True)
        stamp.write_text(digest)
    return python


def say(what: str) -> None:
    """Say what goes on, so that nobody wonders; answers go to standard output."""
    print(f"{datetime.now():%H:%M:%S} {what}", file=sys.stderr, flush=True)


def hide_scikit_learn() -> None:
    """Do without it: whylogs and LightGBM load it where it is there, which is not with users."""
    sys.modules["sklearn"] = None  # type: ignore[assignment]


def describe_machine() -> dict[str, Any]:
    return {
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def write_record(name: str, record: dict[str, Any]) -> Path:
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(record, indent=2) + "\n")
    return path


def read_record(name: str) -> dict[str, Any]:
    path = RESULTS / f"{name}.json"
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return found


def _peak_mb() -> float:
    """Give the peak of this process, or of the largest of those that it started and waited for."""
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return max(resource.getrusage(each).ru_maxrss for each in who) / 1024


def _run(function: str, *arguments: str) -> Measurement:
    module, _, name = function.partition(":")
    prepare: Callable[..., Callable[[], object]] = getattr(importlib.import_module(module), name)
    work = prepare(*arguments)
    baseline, started = _peak_mb(), time.perf_counter()
    work()
    return Measurement(time.perf_counter() - started, _peak_mb(), baseline)


if __name__ == "__main__":
    print(json.dumps(asdict(_run(*sys.argv[1:]))))
