"""Arrivals: what came into the sources since the champion learned, and whether it is worth a run.

Owns what counts as new. It compares the sources with the champion's lineage and remembers nothing
itself, so that a watch which slept for a day misses nothing. Refuses to train, and to tell anyone
(`events`).
"""

import math
from datetime import datetime
from typing import Any

import polars as pl

from tasks.core.definition import Definition, Frozen, parse_definition
from tasks.extraction.run_plan import Plan
from tasks.features.transform import compile_target
from tasks.registry.versions import Published, read_file, read_json
from tasks.sources.query import SourceTable, collect, open_table
from tasks.storage.store import Store


class NewData(Frozen):
    """Which sources changed, and how many rows have a matured label that the champion never saw.

    `problem` says why the sources hold nothing that could be counted, or learned from.
    """

    champion: str
    changed: tuple[str, ...] = ()
    rows: int = 0
    needed: int = 1
    problem: str = ""

    @property
    def enough(self) -> bool:
        return self.rows >= self.needed

    @property
    def key(self) -> str:
        """Stay the same until as much again has come in: a refused candidate is not retried."""
        return f"{self.champion}/{self.rows // self.needed}"

    @property
    def reason(self) -> str:
        if self.problem:
            return self.problem
        what = f"{', '.join(self.changed)} changed" if self.changed else "no source changed"
        never = f"{self.rows:,} rows with a label that {self.champion} never saw"
        return f"{what}: {never}; {self.needed:,} are worth a retrain"


def find_arrivals(plan: Plan, store: Store, champion: Published) -> NewData:
    """Compare the sources with those that a champion was made of; nothing is trained or written."""
    lineage = read_json(store, champion, "lineage.json")
    then: dict[str, str] = lineage["sources"]
    changed = {name for name in then | plan.sources if then.get(name) != plan.sources.get(name)}
    same = not changed and lineage["as_of"] == (plan.as_of and plan.as_of.isoformat())
    return NewData(
        champion=champion.version,
        changed=tuple(sorted(changed)),
        rows=0 if same else _count_new(plan, store, champion, lineage),
        needed=count_needed(plan.definition, count_learned(lineage)),
    )


def count_needed(definition: Definition, learned: int) -> int:
    """Count the new rows that are worth learning from, where so many were learned from before."""
    return max(1, math.ceil(definition.monitoring.new_rows * learned))


def count_learned(lineage: dict[str, Any]) -> int:
    """Count the rows that a champion's model learned from."""
    rows: dict[str, int] = lineage["rows"]
    return sum(rows.values()) if lineage["refit"] else rows["fit"] + rows["stop"]


def _count_new(plan: Plan, store: Store, champion: Published, lineage: dict[str, Any]) -> int:
    """Count rows after the champion's own, and rows or labels of its own time that came late."""
    table = open_table(plan.definition, plan.project)
    labelled = table.rows.filter(_has_label(plan, table))
    known, ended = sum(lineage["rows"].values()), lineage["split"]["matured"]
    if table.time is None or plan.as_of is None or ended is None:
        return int(max(0, collect(table, labelled.select(pl.len())).item() - known))
    end = datetime.fromisoformat(ended)
    since = table.time.is_between(
        end, plan.as_of - plan.definition.target.matures_after, closed="right"
    )
    before = _read_definition(store, champion)
    own = table.time <= end
    if before.extract.window is not None:
        own &= table.time > datetime.fromisoformat(lineage["as_of"]) - before.extract.window
    new, old = collect(table, labelled.select(new=since.sum(), old=own.sum())).row(0)
    comparable = _meaning(before) == _meaning(plan.definition)
    late = max(0, old - known) if comparable else 0
    return int(new + late)


def _has_label(plan: Plan, table: SourceTable) -> pl.Expr:
    value = compile_target(plan.definition, table.columns, plan.origin)
    is_float = table.rows.select(value).collect_schema().dtypes()[0].is_float()
    return (value.fill_nan(None) if is_float else value).is_not_null()


def _read_definition(store: Store, champion: Published) -> Definition:
    text = read_file(store, champion, "definition.toml").decode()
    return parse_definition(text, champion.path)


def _meaning(definition: Definition) -> tuple[object, ...]:
    """Give what decides whether two definitions count the same rows."""
    return definition.extract.query, definition.extract.time, definition.target
