"""A made-up table of 400 hours in a project of its own, and the first steps of a run on it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import polars as pl

from tasks.core.data_sections import Source
from tasks.extraction.run_plan import Plan
from tasks.extraction.snapshot import Snapshot, describe_snapshot, extract_snapshot
from tasks.preparation.split import Prepared, prepare_rows
from tasks.sources.file_formats import read_whole
from tasks.sources.files import find_files, scan_source
from tasks.sources.query import open_table

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
# Too many for rounds to be cross-validated.
MANY = pl.concat(
    ROWS.with_columns(pl.col("id") + 400 * turn, pl.col("t") + timedelta(hours=400 * turn))
    for turn in range(5)
)
SECTIONS = {
    "sources": 's = "s.parquet"',
    "extract": 'time = "t"\nkey = ["id"]',
    "target": 'value = "y"\nkind = "binary"',
    "features": 'x = "x"\nk = "k"\nc = "c"',
}

# What a model of `sell` is made of.
SALES = {
    "target": 'value = "y"\nkind = "regression"',
    "features": 'h = "h"\nw = "w"\nm = "date_part(\'month\', t)"\nn = "date_part(\'year\', t)"',
}


def sell(growth: float, season: float = 0.4) -> pl.DataFrame:
    """Make up two and a half years of sales at eight hours a day, that grow so much by the year."""
    random, days = np.random.default_rng(1), np.arange(7_300) // 8
    weather = np.convolve(random.normal(size=1_000), 0.8 ** np.arange(20))[: days[-1] + 1][days]
    hours, year = np.arange(len(days)) % 8 * 3, 2 * np.pi * days / 365
    level = (1 + growth * days / 365) * np.exp(-season * np.cos(year) + 0.15 * weather)
    sold = 80 * level * np.exp(0.7 * np.sin(hours * 2 * np.pi / 24 - 2))
    sold *= np.exp(0.25 * random.normal(size=len(days)))
    times = [datetime(2021, 1, 1) + timedelta(hours=3 * each) for each in range(len(days))]
    made = {"t": times, "h": hours, "w": weather.round(2), "y": sold}
    return pl.DataFrame(made).with_row_index("id")


def define(**sections: str) -> str:
    """Write a definition; a section that is given takes the usual one's place."""
    given = SECTIONS | sections
    return 'name = "made"\n' + "".join(f"[{name}]\n{text}\n" for name, text in given.items())


def write_file(content: pl.DataFrame | str | bytes, path: Path) -> None:
    """Write a table by the path's ending, or text and bytes as they are."""
    path.parent.mkdir(exist_ok=True)
    if isinstance(content, pl.DataFrame):
        by_ending = {".csv": content.write_csv, ".ndjson": content.write_ndjson}
        by_ending.get(path.suffix, content.write_parquet)(path)
    else:
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def scan_files(folder: Path, uri: str, **keys: object) -> pl.LazyFrame:
    source = Source.model_validate({"uri": uri, **keys})
    return scan_source(source, find_files(source, folder, "[sources] s"))


def read_source(folder: Path, uri: str, **keys: object) -> pl.DataFrame:
    """Read a source as the project does: where that fails, its files are asked one by one."""
    frame = scan_files(folder, uri, **keys)
    try:
        return frame.collect()
    except pl.exceptions.PolarsError:
        source = Source.model_validate({"uri": uri, **keys})
        for file in find_files(source, folder, "[sources] s"):
            read_whole(source, file)
        raise


@dataclass
class Project:
    folder: Path

    def write(self, rows: pl.DataFrame | dict[str, pl.DataFrame | str | bytes]) -> None:
        """Write a table as `s.parquet`, or files by their names."""
        files = {"s.parquet": rows} if isinstance(rows, pl.DataFrame) else rows
        for name, content in files.items():
            write_file(content, self.folder / name)

    def plan(self, *, as_of: datetime | None = None, **sections: str) -> Plan:
        from flows.retrain import plan_retrain

        (self.folder / "made.toml").write_text(define(**sections))
        return plan_retrain("made.toml", as_of)

    def extract(self, rows: pl.DataFrame = ROWS, **sections: str) -> tuple[Plan, Snapshot]:
        self.write(rows)
        plan = self.plan(**sections)
        return plan, self.snapshot(plan)

    def snapshot(self, plan: Plan) -> Snapshot:
        table, folder = open_table(plan.definition, plan.project), Path(mkdtemp(dir=self.folder))
        return describe_snapshot(plan, table, extract_snapshot(plan, table, folder / "snapshot"))

    def prepare(self, rows: pl.DataFrame = ROWS, **sections: str) -> tuple[Plan, Prepared]:
        plan, snapshot = self.extract(rows, **sections)
        return plan, prepare_rows(plan, snapshot, snapshot.parts[0].parent)
