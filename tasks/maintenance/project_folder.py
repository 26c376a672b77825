"""Check a project's folder for modules that bear the names of our packages.

Runs, workers and `perennial` take ours (`flows.prefect_process`). What Prefect starts by itself in
that folder would take the project's.
"""

from collections.abc import Iterator
from pathlib import Path

from tasks.core.names import OURS
from tasks.maintenance.finding import Finding

_INSTALLED = Path(__file__).parents[2]


def check_folder(folder: Path) -> Iterator[Finding]:
    """Say which modules of a folder have our names, and what would take them for ours."""
    found = [name for name in OURS for name in (f"{name}.py", name) if (folder / name).exists()]
    if not found or folder.resolve() == _INSTALLED:
        return
    detail = (
        f"{', '.join(found)} here are the project's own: `perennial` and its worker take "
        "Perennial's. `prefect deploy` and `python -m flows.cli` in this folder, and a worker of a "
        "pool of your own, would take yours: use `perennial deploy` and `perennial up`"
    )
    yield Finding(name="folder", well=True, detail=detail)
