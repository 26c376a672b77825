"""Feature tables: what they cost a retrain and a request, and what they are worth in a replay.

Run `python -m benchmarks.tables`. The default model is held against the same one with the tables of
`flight_tables.toml`: rows joined point-in-time at several sizes (the flights over again, years
apart), values looked up by the service's own code, and April to December 2013 replayed, retrained
every month. The registry that all of it goes to is a temporary one.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.measure import ROOT, describe_machine, measure, write_record

MODEL = "flight-tables"
COPIES = (1, 3, 10)
GOALS = {"auc": 0.722, "microseconds": 20, "exponent": 1.05}
REPLAY = ["--from", "2013-04-01", "--to", "2014-01-01", "--every", "1mo", "--policies", "schedule"]
_LOOKED_UP = 20_000


def make_project(folder: Path, copies: int) -> Path:
    """Make a project with both definitions and the flights of so many years."""
    import polars as pl

    data = folder / "data" / "nycflights13"
    data.mkdir(parents=True)
    (folder / "deployments").mkdir()
    shutil.copy(ROOT / "benchmarks/flight_tables.toml", folder / "deployments")
    shutil.copy(ROOT / "deployments/flight_delay.toml", folder / "deployments")
    for name in ("planes", "weather"):
        shutil.copy(ROOT / f"data/nycflights13/{name}.parquet", data)
    for file in sorted((ROOT / "data/nycflights13").glob("flights-*.parquet")):
        for year in range(copies):
            earlier = pl.col("time_hour").dt.offset_by(f"-{365 * year}d")
            rows = pl.read_parquet(file).with_columns(earlier)
            month = file.stem.removeprefix("flights-2013-")
            rows.write_parquet(data / f"flights-{2013 - year}-{month}.parquet")
    return folder


def extract(project: str, definition: str) -> Callable[[], object]:
    """Prepare to write a definition's rows as extraction does."""
    from flows.retrain import plan_retrain
    from tasks.extraction.snapshot import extract_snapshot
    from tasks.sources.query import open_table

    folder = Path(project)
    os.environ["PERENNIAL_ROOT"] = str(folder / "root")
    plan = plan_retrain(str(folder / "deployments" / definition), None)
    table = open_table(plan.definition, plan.project, plan.sources)
    place = Path(tempfile.mkdtemp(dir=folder))
    return lambda: extract_snapshot(plan, table, place / "snapshot")


def measure_join(copies: int) -> dict[str, float]:
    """Measure what the tables add to reading the rows."""
    with tempfile.TemporaryDirectory() as folder:
        project = str(make_project(Path(folder, "project"), copies))
        ask = "benchmarks.tables:extract"
        plain = measure(ask, project, "flight_delay.toml", runs=3)
        joined = measure(ask, project, "flight_tables.toml", runs=3)
    return {
        "rows": 336_776 * copies,
        "seconds": round(joined.seconds - plain.seconds, 2),
        "peak_mb": round(joined.own_mb - plain.own_mb),
    }


def measure_lookup() -> dict[str, float]:
    """Time the service's own look-up of real rows, one at a time and many at once."""
    import polars as pl

    from bentos.columns import Column
    from bentos.online_features import load_lookup
    from tasks.core.definition_file import load_definition
    from tasks.feature_store.materialise import make_tables
    from tasks.features.feature_tables import asked_columns, tabled_values
    from tasks.sources.query import open_table
    from tasks.storage.store import open_store

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        project = make_project(folder / "project", 1)
        definition = load_definition(project / "deployments/flight_tables.toml")
        store = open_store(str(folder / "root"))
        make_tables(definition, project, None, store, folder / "work")
        table = open_table(definition, project)
        values = tabled_values(definition)
        sent = asked_columns(definition, values)
        columns = [Column(name=each, dtype=table.columns[each]) for each in sent]
        wanted = [Column(name=each, dtype=table.columns[each]) for each in values]
        lookup = load_lookup(definition, columns, wanted, store, None)
        recent = table.plain.sort("time_hour").tail(_LOOKED_UP).select(sent).collect()
        newest = recent.with_columns(pl.col("time_hour").max())
    rows = newest.rows()
    begun = time.process_time()
    for row in rows:
        lookup.fill([row])
    singly = time.process_time() - begun
    begun = time.process_time()
    for part in newest.iter_slices(1000):
        lookup.fill_frame(part)
    together = time.process_time() - begun
    return {
        "tables": len(definition.tables),
        "one row": round(singly / len(rows) * 1e6, 2),
        "a row of 1,000": round(together / len(rows) * 1e6, 2),
    }


def replay(model: str) -> dict[str, Any]:
    """Replay nine months as a user would, and give the AUC of each."""
    with tempfile.TemporaryDirectory() as folder:
        project = make_project(Path(folder, "project"), 1)
        done = subprocess.run(
            [sys.executable, "-m", "flows.cli", "backtest", model, *REPLAY, "--json"],
            cwd=project,
            env=os.environ | {"PERENNIAL_ROOT": str(project / "root")},
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
    track = json.loads(done.stdout)["policies"]["schedule"]
    months = [round(period["metrics"]["auc"], 4) for period in track["periods"]]
    return {"auc": track["mean"]["auc"], "months": months, "seconds": round(track["seconds"])}


def write_table(title: str, found: dict[str, Any]) -> str:
    lines = [f"feature tables, {title}", f"{'rows':>10}{'seconds more':>14}{'MB more':>9}"]
    lines += [
        f"{each['rows']:>10,}{each['seconds']:>14.2f}{each['peak_mb']:>9.0f}"
        for each in found["join"]
    ]
    lookup = found["lookup"]
    lines.append(
        f"looked up in {lookup['tables']} tables: {lookup['one row']} µs for one row, "
        f"{lookup['a row of 1,000']} µs each of 1,000"
    )
    for name, track in found["replay"].items():
        months = " ".join(f"{auc:.3f}" for auc in track["months"])
        lines.append(f"{name:14} AUC {track['auc']:.4f} ({months}), {track['seconds']} s")
    return "\n".join(lines)


def main() -> str:
    """Measure, record, print, and give what was printed."""
    found = {
        "join": [measure_join(copies) for copies in COPIES],
        "lookup": measure_lookup(),
        "replay": {name: replay(name) for name in ("flight-delay", MODEL)},
    }
    tables = {"the flights": found}
    text = "\n\n".join(write_table(title, each) for title, each in tables.items())
    print(text)
    write_record("tables", {"tables": tables, "goals": GOALS, "machine": describe_machine()})
    return text


if __name__ == "__main__":
    main()
