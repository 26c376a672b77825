"""Prune a copy of a root, killed at a line: `python pruned.py ROOT FOLDER STEP` in its project.

The process ends at once where it is, as by SIGKILL, after each STEP lines of prune and of what
removes bytes. What is left must be whole, and a second prune must finish.
"""

import os
import shutil
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import Any

from tasks.maintenance.doctor import check_models
from tasks.maintenance.prune import Rule, find_waste, remove_waste
from tasks.registry.overview import describe_history, describe_model
from tasks.registry.versions import check_files, find_all
from tasks.storage.store import open_store, work_folder

RULE = Rule(versions=0, spared=timedelta(0))
MODEL = "flight-delay"
TRACED = ("/tasks/maintenance/prune.py", "/tasks/storage/folder.py")


def prune(root: Path, last_line: int = 0) -> int:
    """Prune, and give how many lines that took; with a last line, die there."""
    count = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal count
        if not frame.f_code.co_filename.endswith(TRACED):
            return None
        if event == "line":
            count += 1
            if count == last_line:
                os._exit(9)
        return trace

    store = open_store(str(root))
    sys.settrace(trace)
    with work_folder(store):
        pass
    list(remove_waste(store, find_waste(store, RULE, datetime.now(UTC)), RULE))
    sys.settrace(None)
    return count


def check_whole(root: Path) -> None:
    """Expect that all that can be seen is whole, and that doctor finds nothing."""
    store = open_store(str(root))
    paths = [f"snapshots/{name}" for name in store.children("snapshots")]
    for kind in ("models", "bentos"):
        names = store.children(f"{kind}/{MODEL}")
        paths += [f"{kind}/{MODEL}/{name}" for name in names if name != "ledger"]
    found = find_all(store, paths)
    assert set(found) == set(paths), f"without a manifest: {set(paths) - set(found)}"
    for published in found.values():
        check_files(store, published)
    assert all(each.well for each in check_models(store))
    assert describe_model(store, MODEL)["champion"]
    describe_history(store, MODEL)


def main(root: Path, folder: Path, step: int) -> None:
    """Kill at each `step`th line, each time on a new copy; print how many there were."""
    shutil.copytree(root, folder / "whole")
    lines = prune(folder / "whole")
    check_whole(folder / "whole")
    left = sorted(path.relative_to(folder / "whole") for path in (folder / "whole").rglob("*"))
    for line in range(1, lines, step):
        copy = folder / "copy"
        shutil.copytree(root, copy)
        if not (child := os.fork()):
            prune(copy, line)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
        check_whole(copy)
        prune(copy)
        check_whole(copy)
        assert sorted(path.relative_to(copy) for path in copy.rglob("*")) == left
        shutil.rmtree(copy)
    print(lines)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
