"""The ground of a drill: a version's plan, rows and files, fetched to be spoilt in copies.

Owns what is fetched, and what became of a fault. Refuses to spoil anything, and to ask a guard.
"""

import logging
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from tasks.analysis.point_in_time_check import check_point_in_time
from tasks.core.checks import failed
from tasks.core.definition import Frozen
from tasks.core.errors import DefinitionError, PerennialError, first_line
from tasks.drill.faults import Columns, find_columns
from tasks.extraction.run_plan import Plan
from tasks.extraction.snapshot import Snapshot
from tasks.features.transform import Features, Vocabulary
from tasks.registry.snapshots import fetch_snapshot, snapshot_path
from tasks.registry.versions import Published, find, read_file, read_json
from tasks.serving.expected_answers import recall_plan
from tasks.sources.query import SourceTable, open_table
from tasks.storage.store import Store

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
    """A version to be drilled: its plan, its rows split where the newest window begins, its files.

    `rounds` are those that it was trained with. `table` is what its feature tables are made from,
    where that still is what it was.
    """

    store: Store
    published: Published
    plan: Plan
    snapshot: Snapshot
    table: SourceTable | None
    columns: Columns
    vocabulary: Vocabulary
    model: str
    importance: dict[str, float]
    rounds: int
    code: str


def prepare_ground(store: Store, published: Published, folder: Path) -> Testbed:
    """Fetch all that the drill spoils copies of."""
    lineage = read_json(store, published, "lineage.json")
    features = Features.model_validate(read_json(store, published, "features.json"))
    plan = recall_plan(store, published, lineage, features)
    kept = find(store, snapshot_path(plan.snapshot))
    if kept is None:
        raise DefinitionError(f"{published.path}: its snapshot is gone; retrain, then drill that")
    parts = tuple(fetch_snapshot(store, kept, folder / "snapshot"))
    ranked = read_json(store, published, "evaluation.json")["importance"]
    importance = {each["feature"]: each["share"] for each in ranked}
    snapshot = as_snapshot(plan, parts)
    schema = snapshot.scan().collect_schema()
    return Testbed(
        store=store,
        published=published,
        plan=plan,
        snapshot=snapshot,
        table=open_events(plan, snapshot) if plan.definition.tables else None,
        columns=find_columns(plan.definition, features, schema, list(importance)),
        vocabulary=Vocabulary.model_validate(read_json(store, published, "vocabulary.json")),
        model=read_file(store, published, "model.txt").decode(),
        importance=importance,
        rounds=lineage["rounds"],
        code=lineage["code"],
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


def as_snapshot(plan: Plan, parts: tuple[Path, ...]) -> Snapshot:
    rows = pl.scan_parquet(list(parts), glob=False).select(pl.len()).collect().item()
    return Snapshot(digest=plan.snapshot, parts=parts, rows=rows, future_rows=0, newest=plan.as_of)


def make_folder(folder: Path, name: str) -> Path:
    (folder / name).mkdir()
    return folder / name
