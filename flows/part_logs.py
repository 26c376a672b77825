"""The logs of a system's parts: found by name, shown from their end, and followed from there."""

import os
import time
from collections import deque
from collections.abc import Iterator, Mapping
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


def read_logs(files: Mapping[str, BinaryIO], lines: int) -> dict[str, list[str]]:
    """Read the last lines of each log, and leave each file where they end."""
    return {name: [*deque(_read_whole_lines(file), lines)] for name, file in files.items()}


def follow_logs(files: Mapping[str, BinaryIO]) -> Iterator[tuple[str, str]]:
    """Give each line that comes after what was read, with its part's name, until interrupted."""
    while True:
        for name, file in files.items():
            for line in _read_whole_lines(file):
                yield name, line
        time.sleep(_GLANCE_SECONDS)


def _read_whole_lines(file: BinaryIO) -> Iterator[str]:
    """Read what was added to a file, but for a line that is not at its end yet."""
    while line := file.readline():
        if not line.endswith(b"\n"):
            file.seek(-len(line), os.SEEK_CUR)
            return
        yield line.decode("utf-8", errors="replace").rstrip()
