"""How many processes answer: what a version's definition says, and what this machine has for them.

Responsible for `[serving] workers` alone; nothing else of the definition is judged here.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Literal

from tasks.core.definition import parse_definition
from tasks.core.errors import DefinitionError

# BentoML's own word for "as many as there are CPUs": a bento is the same on every machine.
EACH_CPU: Literal["cpu_count"] = "cpu_count"


def read_workers(model: Path) -> int | Literal["cpu_count"]:
    """Read what a version asks for; 1 where it cannot be read, which fails when it is loaded."""
    with suppress(OSError, UnicodeDecodeError, DefinitionError):
        path = model / "definition.toml"
        workers = parse_definition(path.read_text("utf-8"), str(path)).serving.workers
        return EACH_CPU if workers == "auto" else workers
    return 1


def count_cpus(processes: Path = Path("/proc"), groups: Path = Path("/sys/fs/cgroup")) -> int:
    """Count the CPUs that this process may use: by affinity, and by whole ones of its quota."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    quotas = _list_quotas(processes / "self" / "cgroup", groups)
    return max(1, int(min([allowed or 1, *quotas])))


def _list_quotas(memberships: Path, groups: Path) -> Iterator[float]:
    """Give the quota of each control group that this process is in, and of those around it."""
    lines = memberships.read_text().splitlines() if memberships.is_file() else []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            mounted = groups
        elif "cpu" in controllers.split(","):
            mounted = groups / "cpu"
        else:
            continue
        inner = mounted / path.lstrip("/")  # in a container it may be named as the host sees it
        for folder in (inner, *inner.parents):
            yield from _read_quota(folder)
            if folder == mounted:
                break


def _read_quota(group: Path) -> Iterator[float]:
    """Give a group's CPUs by version 2 or 1 of control groups, where it has a limit."""
    with suppress(OSError, ValueError):
        quota, period = (group / "cpu.max").read_text().split()
        yield int(quota) / int(period)  # ValueError: "max" is no limit
    with suppress(OSError, ValueError):
        quota = (group / "cpu.cfs_quota_us").read_text()
        if int(quota) > 0:
            yield int(quota) / int((group / "cpu.cfs_period_us").read_text())
