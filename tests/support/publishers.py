"""Processes that write to a registry: many at once, or killed at every instant of it.

A script, because it forks: each child starts from modules that are loaded already, and pytest's
own process has threads. Prints what became of each child as JSON.
"""

import json
import os
import pickle
import signal
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from types import FrameType
from typing import Any

from tasks.core.errors import PerennialError
from tasks.registry.code_digest import code_digest
from tasks.registry.ledger import append_entry
from tasks.registry.released_bento import PROOF, bento_path
from tasks.registry.versions import Published, publish, publish_once, version_path
from tasks.storage.store import Store, open_store, work_folder

FILES = {"model.txt": "trees\n" * 1000, "report.html": "<p>fine</p>", "parts/one.bin": "1"}
WATCHED = {"folder", "store", "s3", "ledger", "versions", "candidate", "bentoml_models", "shutil"}
Write = Callable[[str], str]


def publish_version(root: str) -> str:
    """Publish a small version, and give its manifest's digest."""
    store = open_store(root)
    with work_folder(store) as work:
        folder = work / "version"
        for name, text in FILES.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        return publish(store, folder, version_path("m", "v1")).digest


def put_proof(store: Store, published: Published) -> str:
    """Put a bento there of which a follower asks for the proof only; give its digest."""
    _, model, version = published.path.split("/")
    with work_folder(store) as folder:
        (folder / "bento").mkdir()
        proof = {"model": model, "version": version, "manifest": published.digest}
        (folder / "bento" / PROOF).write_text(json.dumps(proof))
        return publish_once(store, folder / "bento", bento_path(model, version)).digest


def publish_pickled(root: str) -> str:
    """Publish the candidate that a test made and left beside the root."""
    from tasks.validation.candidate import publish_candidate

    candidate, pages = pickle.loads(Path(os.environ["CANDIDATE"]).read_bytes())
    store = open_store(root)
    with work_folder(store) as work:
        snapshot = candidate.snapshot
        (work / "snapshot").mkdir()
        parts = tuple(work / "snapshot" / part.name for part in snapshot.parts)
        for part, copy in zip(snapshot.parts, parts, strict=True):
            copy.write_bytes(part.read_bytes())
        snapshot = snapshot.model_copy(update={"parts": parts})
        own = candidate.model_copy(update={"snapshot": snapshot})
        return publish_candidate(own, pages, store, work).digest


def decide(root: str) -> str:
    """Add the first decision to a ledger, and give its number."""
    me = str(os.getpid())
    entry = append_entry(
        open_store(root),
        "m",
        action="approve",
        version="v1",
        manifest="f00d",
        approver=me,
        reason="it is good",
        after=0,
    )
    return str(entry.number)


def offer_released(home: str) -> str:
    """Put what a test's project has released among the models of a BentoML home."""
    from tasks.serving.bentoml_models import offer_models

    os.environ["BENTOML_HOME"] = home
    offer_models(open_store(), "flight-delay")
    return str(len(list(Path(home, "models", "flight-delay").glob("*/model.yaml"))))


def race(write: Write, root: str, writers: int) -> list[str]:
    """Let several processes write to one root in the same moment; tell how each one ended."""
    gate, starter = os.pipe()
    children = []
    for _ in range(writers):
        answer, told = os.pipe()
        if not (pid := os.fork()):
            os.close(starter)
            os.read(gate, 1)  # returns for all of them when the last starter is closed
            os.write(told, attempt(write, root).encode())
            os._exit(0)
        os.close(told)
        children.append((pid, answer))
    os.close(starter)
    outcomes = [os.read(answer, 10_000).decode() for _, answer in children]
    for pid, _ in children:
        os.waitpid(pid, 0)
    return outcomes


def attempt(write: Write, root: str) -> str:
    try:
        return write(root)
    except (FileExistsError, PerennialError) as error:
        return type(error).__name__


def kill_at_lines(write: Write, root: str, step: int, first: int = 1) -> int:
    """Kill one process after another, each some lines of code later, till one ends well."""
    for line in count(first, step):
        if not (pid := os.fork()):
            sys.settrace(_killer(line))
            write(f"{root}/{line}")
            os._exit(0)
        if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0:
            return line
    raise AssertionError("unreachable")


def _killer(line: int) -> Callable[[FrameType, str, Any], Any]:
    left = [line]

    def trace(frame: FrameType, event: str, arg: Any) -> Any:
        if Path(frame.f_code.co_filename).stem not in WATCHED:
            return None
        left[0] -= event == "line"
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        return trace

    return trace


def kill_at_requests(write: Write, root: str, pids: str) -> int:
    """Write as one process after another, each of which the server may kill, till one ends well."""
    for number in count(1):
        if not (pid := os.fork()):
            Path(pids).write_text(f"{number} {os.getpid()}")
            write(f"{root}/{number}")
            os._exit(0)
        if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0:
            return number
    raise AssertionError("unreachable")


WAYS: dict[str, Callable[..., object]] = {
    "race": lambda write, root, writers: race(write, root, int(writers)),
    "kill_at_lines": lambda write, root, *places: kill_at_lines(write, root, *map(int, places)),
    "kill_at_requests": kill_at_requests,
}
WRITES: dict[str, Write] = {
    "publish_version": publish_version,
    "publish_pickled": publish_pickled,
    "decide": decide,
    "offer_released": offer_released,
}

if __name__ == "__main__":
    way, write, *rest = sys.argv[1:]
    if rest[0].startswith("s3://"):
        import s3fs  # noqa: F401  once, and not in every child
    if write == "publish_pickled":
        import tasks.validation.candidate

        code_digest()  # reads all modules, and only once
    if write == "offer_released":
        import tasks.serving.bentoml_models  # noqa: F401
    print(json.dumps(WAYS[way](WRITES[write], *rest)))
