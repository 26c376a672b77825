"""Prefect's programs as processes that take what is installed, not what lies in the folder.

    python -P -m flows.prefect_process prefect.engine         a run
    python -P -m flows.prefect_process prefect deploy --all   Prefect's command line

Prefect puts the folder that it works in first on the path when it loads a flow, and a project may
well have a `flows/`, a `tasks.py` or a `calendar.py` of its own. Here the folder comes last, for
every module. Not responsible for programs that others start: `doctor` says what those would meet.
"""

import runpy
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType


class InstalledFirst(MetaPathFinder):
    """Find modules where they are installed; what is not there is left to Python's own finders."""

    def __init__(self, installed: Sequence[str]) -> None:
        self._installed = list(installed)

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        found = PathFinder.find_spec(name, self._installed) if path is None else None
        return found if found and found.loader else None  # a folder without code is no package


def main() -> None:
    """Run a module of Prefect's as the program that it is."""
    _, module, *words = sys.argv
    sys.meta_path.insert(0, InstalledFirst(sys.path))  # -P: the folder is not on it yet
    sys.argv = [module, *words]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def prefect_command(*words: str) -> list[str]:
    """Give the command that runs one of Prefect's programs so.

    >>> prefect_command("prefect", "version")[1:]
    ['-P', '-m', 'flows.prefect_process', 'prefect', 'version']
    """
    return [sys.executable, "-P", "-m", "flows.prefect_process", *words]


if __name__ == "__main__":
    main()
