"""Step 1, extraction, as Prefect records it: one immutable snapshot."""

import logging
from pathlib import Path

from tasks.core.errors import SourceChanged, SourceError
from tasks.core.steps import step
from tasks.extraction.run_plan import Plan
from tasks.extraction.snapshot import Snapshot, make_snapshot
from tasks.storage.store import open_store

log = logging.getLogger("perennial.extraction")


@step("extraction")
def extract(plan: Plan, folder: Path) -> Snapshot:
    """Reuse the snapshot if the root holds it, or extract it into the run's own folder.

    Files that were written anew meanwhile, with what they held before, are read once more: nobody
    knows what they held in between.
    """
    store = open_store(plan.root)
    try:
        return make_snapshot(plan, store, folder / "snapshot")
    except SourceChanged as change:
        log.warning("all is read once more: %s", change)
        try:
            return make_snapshot(plan, store, folder / "again")
        except SourceError as error:
            raise change from error
