"""The logs of the local stack's parts: found, read and followed, as `perennial logs` does.

Not responsible for writing them (`tasks.processes.supervisor`), nor for showing them
(`stack_pages`).
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from tasks.core.errors import DefinitionError, StartFailed, nearest
from tasks.processes.settings import settle_environment

_GLANCE_SECONDS = 0.3


def find_logs(part: str | None = None) -> dict[str, Path]:
    """Find the logs of the last system by part, or the one of a part or of a model's service."""
    folder = settle_environment().folder
    logs = {path.stem: path for path in sorted(folder.glob("*.log"))}
    if not logs:
        raise StartFailed(f"there are no logs in {folder}; start the system with `perennial up`")
    if part is None:
        return logs
    for name in (part, f"service-{part}"):
        if name in logs:
            return {name: logs[name]}
    raise DefinitionError(f"no part is named {part!r}; {nearest(part, logs)}")


def read_logs(logs: dict[str, Path], lines: int) -> dict[str, list[str]]:
    """Read the last lines of each log."""
    return {
        name: path.read_text("utf-8", errors="replace").splitlines()[-lines:]
        for name, path in logs.items()
    }


def follow_logs(logs: dict[str, Path]) -> Iterator[tuple[str, str]]:
    """Give each line that is written from now on, with its part's name, until interrupted."""
    files = {name: path.open("rb") for name, path in logs.items()}
    for file in files.values():
        file.seek(0, os.SEEK_END)
    try:
        while True:
            for name, file in files.items():
                for line in _read_whole_lines(file):
                    yield name, line
            time.sleep(_GLANCE_SECONDS)
    finally:
        for file in files.values():
            file.close()


def _read_whole_lines(file: BinaryIO) -> Iterator[str]:
    """Read what was added to a file, but for a line that is not at its end yet."""
    while line := file.readline():
        if not line.endswith(b"\n"):
            file.seek(-len(line), os.SEEK_CUR)
            return
        yield line.decode("utf-8", errors="replace").rstrip()
