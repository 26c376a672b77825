"""A made-up table of 400 hours in a project of its own, and the first steps of a run on it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

from flows.retrain import plan_retrain
from tasks.extraction import Snapshot, describe_snapshot, extract_snapshot
from tasks.plan import Plan
from tasks.preparation import Prepared, prepare_rows
from tasks.sources import open_table

START = datetime(2020, 1, 1)
ROWS = pl.DataFrame(
    {
        "id": range(400),
        "t": [START + timedelta(hours=hour) for hour in range(400)],
        "x": [(hour * 37 % 101) / 10 for hour in range(400)],
        "k": [hour * 7 % 5 for hour in range(400)],
        "c": [("north", "south", "east", "west")[hour * 3 % 4] for hour in range(400)],
        "y": [hour * 37 % 101 > 40 for hour in range(400)],
    }
)
SECTIONS = {
    "sources": 's = "s.parquet"',
    "extract": 'time = "t"\nkey = ["id"]',
    "target": 'value = "y"\nkind = "binary"',
    "features": 'x = "x"\nk = "k"\nc = "c"',
}


def define(**sections: str) -> str:
    """Write a definition; a section that is given takes the usual one's place."""
    given = SECTIONS | {name.replace("__", "."): text for name, text in sections.items()}
    return 'name = "made"\n' + "".join(f"[{name}]\n{text}\n" for name, text in given.items())


@dataclass
class Project:
    folder: Path

    def write(self, rows: pl.DataFrame | dict[str, pl.DataFrame | str | bytes]) -> None:
        """Write a table as `s.parquet`, or files by their names."""
        for name, content in (
            {"s.parquet": rows} if isinstance(rows, pl.DataFrame) else rows
        ).items():
            path = self.folder / name
            path.parent.mkdir(exist_ok=True)
            if isinstance(content, pl.DataFrame):
                content.write_parquet(path)
            else:
                path.write_bytes(content.encode() if isinstance(content, str) else content)

    def plan(self, *, as_of: datetime | None = None, **sections: str) -> Plan:
        (self.folder / "made.toml").write_text(define(**sections))
        return plan_retrain("made.toml", as_of)

    def extract(self, rows: pl.DataFrame = ROWS, **sections: str) -> tuple[Plan, Snapshot]:
        self.write(rows)
        plan = self.plan(**sections)
        return plan, self.snapshot(plan)

    def snapshot(self, plan: Plan, name: str = "snapshot") -> Snapshot:
        table = open_table(plan.definition, plan.project)
        return describe_snapshot(plan, table, extract_snapshot(plan, table, self.folder / name))

    def prepare(self, rows: pl.DataFrame = ROWS, **sections: str) -> tuple[Plan, Prepared]:
        plan, snapshot = self.extract(rows, **sections)
        return plan, prepare_rows(plan, snapshot, self.folder)
