"""Step 3, preparation, as Prefect records it: rows numbered and split."""

import logging
from pathlib import Path

from tasks.core.steps import step
from tasks.extraction.run_plan import Plan
from tasks.extraction.snapshot import Snapshot
from tasks.preparation.split import Prepared, prepare_rows

log = logging.getLogger("perennial.preparation")


@step("preparation")
def prepare(plan: Plan, snapshot: Snapshot, folder: Path) -> Prepared:
    """Label, split and number the snapshot's rows."""
    prepared = prepare_rows(plan, snapshot, folder)
    counts = ", ".join(f"{rows:,} {part}" for part, rows in prepared.rows.items() if rows)
    log.info("%s rows", counts)
    return prepared
