"""The testbed of a drill: a version's plan, rows and files, fetched to be spoiled in copies."""

import logging
from dataclasses import dataclass
from pathlib import Path

from tasks.analysis.point_in_time_check import check_point_in_time
from tasks.core.checks import failed
from tasks.core.definition import Frozen
from tasks.core.errors import DataRefused, DefinitionError, PerennialError, first_line
from tasks.drill.faults import Columns, find_columns
from tasks.extraction.run_plan import Plan
from tasks.extraction.snapshot import Snapshot, open_snapshot
from tasks.registry.versions import Published
from tasks.sources.query import SourceTable, open_table
from tasks.storage.store import Store
from tasks.training.published_model import PublishedModel, load

log = logging.getLogger("perennial.drill")

CLEAN = "clean data"


class Drilled(Frozen):
    """One fault, and the guard that caught it; none where `guard` is empty."""

    fault: str
    guard: str
    detail: str

    @property
    def caught(self) -> bool:
        return bool(self.guard)


@dataclass(frozen=True)
class Testbed:
    """A version to be drilled, the plan that made it, and its rows.

    `table` is what its feature tables are made from, where that still is what it was.
    """

    store: Store
    model: PublishedModel
    plan: Plan
    snapshot: Snapshot
    table: SourceTable | None
    columns: Columns

    @property
    def published(self) -> Published:
        return self.model.published


def prepare_testbed(store: Store, published: Published, folder: Path) -> Testbed:
    """Fetch all that the drill spoils copies of; DefinitionError where the snapshot is gone."""
    model = load(store, published)
    plan = model.recall_plan(Path.cwd())
    try:
        parts = tuple(model.fetch_snapshot(folder / "snapshot"))
    except DataRefused as gone:
        raise DefinitionError(
            f"{published.path}: its snapshot is gone; retrain, then drill that"
        ) from gone
    snapshot = open_snapshot(plan, parts)
    schema, ranked = snapshot.scan().collect_schema(), list(model.read_importance())
    return Testbed(
        store=store,
        model=model,
        plan=plan,
        snapshot=snapshot,
        table=open_events(plan, snapshot) if plan.definition.tables else None,
        columns=find_columns(plan.definition, plan.features, schema, ranked),
    )


def open_events(plan: Plan, snapshot: Snapshot) -> SourceTable | None:
    """Open what feature tables are made from, if it still gives the values of the snapshot."""
    try:
        table = open_table(plan.definition, plan.project)
        changed = failed(check_point_in_time(plan.definition, table, snapshot.scan()))
    except PerennialError as error:
        log.warning("feature tables are not held against their sources: %s", first_line(error))
        return None
    if changed:
        log.warning(
            "feature tables are not held against their sources, which have changed since "
            "%s: %s; run retrain, then drill that",
            plan.version,
            changed[0].detail,
        )
        return None
    return table


def make_folder(folder: Path, name: str) -> Path:
    (folder / name).mkdir()
    return folder / name
