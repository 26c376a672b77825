"""New data: rows that came into the sources since the champion was trained, and if they suffice.

The sources are compared with the champion's lineage and nothing is remembered, so that a monitor
which did not run for a day misses nothing. Not responsible for the alert (`findings`).
"""

import math

import polars as pl

from tasks.core.definition import Definition, Frozen
from tasks.extraction.run_plan import RunInputs
from tasks.features.transform import compile_target
from tasks.registry.forgotten import is_forgotten, list_keys, read_records
from tasks.sources.query import SourceTable, collect, open_table
from tasks.storage.store import open_store
from tasks.training.published_model import PublishedModel


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


def find_new_data(inputs: RunInputs, champion: PublishedModel) -> NewData:
    """Compare the sources with those that a champion was made of; nothing is trained or written."""
    lineage = champion.lineage
    then: dict[str, str] = lineage["sources"]
    changed = {name for name in then | inputs.sources if then.get(name) != inputs.sources.get(name)}
    same = not changed and lineage["as_of"] == (inputs.as_of and inputs.as_of.isoformat())
    return NewData(
        champion=champion.version,
        changed=tuple(sorted(changed)),
        rows=0 if same else _count_new(inputs, champion),
        needed=count_needed(inputs.definition, champion.learned),
    )


def count_needed(definition: Definition, learned: int) -> int:
    """Count the new rows that are worth learning from, where so many were learned from before."""
    return max(1, math.ceil(definition.monitoring.new_rows * learned))


def _count_new(inputs: RunInputs, champion: PublishedModel) -> int:
    """Count rows after the champion's own, and rows or labels of its own time that came late."""
    table = open_table(inputs.definition, inputs.project)
    # Who is forgotten is not news; who was forgotten later is among what the champion learned from.
    gone = list_keys(read_records(open_store(inputs.root), inputs.definition.name))
    ours, theirs = (
        ~is_forgotten(keys, table.columns) if keys else pl.lit(True)
        for keys in (gone, champion.recall_plan(inputs.project).forgotten)
    )
    labelled = table.rows.filter(_has_label(inputs, table))
    known, end = sum(champion.lineage["rows"].values()), champion.split.matured
    if table.time is None or inputs.as_of is None or champion.as_of is None or end is None:
        return int(max(0, collect(table, labelled.filter(theirs).select(pl.len())).item() - known))
    since = table.time.is_between(
        end, inputs.as_of - inputs.definition.target.matures_after, closed="right"
    )
    before = champion.definition
    own = table.time <= end
    if before.extract.window is not None:
        own &= table.time > champion.as_of - before.extract.window
    new, old = collect(
        table, labelled.select(new=(since & ours).sum(), old=(own & theirs).sum())
    ).row(0)
    comparable = _meaning(before) == _meaning(inputs.definition)
    late = max(0, old - known) if comparable else 0
    return int(new + late)


def _has_label(inputs: RunInputs, table: SourceTable) -> pl.Expr:
    value = compile_target(inputs.definition, table.columns, inputs.origin)
    is_float = table.rows.select(value).collect_schema().dtypes()[0].is_float()
    return (value.fill_nan(None) if is_float else value).is_not_null()


def _meaning(definition: Definition) -> tuple[object, ...]:
    """Give what decides whether two definitions count the same rows."""
    return definition.extract.query, definition.extract.time, definition.target
