"""How long one look of the monitor takes, and how much memory.

Run `python -m benchmarks.monitor [ROWS...]`. Copies of the flights of April to September are the
sources; a champion as of July answered those of July to September, about so many rows and half of
the sources, a log part an hour. No peer does the same: `drift` has those that do a part of it.
The first look works out the champion's reference; the second finds that done, and no part put
together; the third finds all of it done, as a look every 15 minutes does. Start-up (imports,
Prefect's temporary server) is left out; the tasks' own time in Prefect is in.
"""

import os
import shutil
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.history import DATA, DEFINITION
from benchmarks.measure import Measurement, hide_scikit_learn, measure, read_versions
from benchmarks.retrain import start_prefect
from benchmarks.study import Goal, Study

LOGGED = 86_000  # flights of July to September
AS_OF, UNTIL = datetime(2013, 7, 1, tzinfo=UTC), datetime(2013, 10, 1, tzinfo=UTC)
TRAINING = "\n[serving]\nlatency_budget_ms = 5000\n"
LOOKS = ("first", "second", "third")


def make_project(folder: str, copies: str) -> Callable[[], object]:
    """Write the sources, and train and release a champion."""
    import polars as pl

    def work() -> None:
        project = Path(folder)
        data = project / "data/nycflights13"
        data.mkdir(parents=True)
        for month in range(4, 10):
            flights = pl.read_parquet(DATA / f"flights-2013-{month:02}.parquet")
            for copy in range(int(copies)):
                number = pl.col("flight").cast(pl.Int32) + 10_000 * copy
                path = data / f"flights-{month:02}-{copy:02}.parquet"
                flights.with_columns(flight=number).write_parquet(path)
        for table in ("planes", "weather"):
            shutil.copy(DATA / f"{table}.parquet", data)
        (project / "deployments").mkdir()
        text = DEFINITION.read_text().replace("[training]\n", "[training]\nrounds = 200\n")
        (project / "deployments/flight_delay.toml").write_text(text + TRAINING)
        _enter(project)
        _release()
        _write_log(project)

    return work


def run_look(folder: str, look: str) -> Callable[[], object]:
    """Prepare one look, Prefect's temporary server started."""
    _enter(Path(folder))
    kept = Path(os.environ["PERENNIAL_ROOT"], "monitoring/flight-delay")
    if look == "second":
        for name in ("pieces", "stretches"):
            shutil.rmtree(kept / name, ignore_errors=True)  # of a small log there are none
    from flows.monitor import monitor

    start_prefect()

    def work() -> None:
        found = monitor("flight-delay", UNTIL)
        assert sum(found["rows"].values()) == found["outcomes"]["rows"] > LOGGED - 1_000
        assert found["outcomes"]["labelled"] > 0.9 * found["outcomes"]["rows"]

    return work


def _enter(project: Path) -> None:
    os.chdir(project)
    os.environ["PERENNIAL_ROOT"] = str(project / "root")
    os.environ["PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"] = "CRITICAL"
    hide_scikit_learn()


def _release() -> None:
    """Train without Prefect's engine, and release by the ledger alone."""
    import flows.retrain as steps
    from tasks.registry.ledger import append_entry
    from tasks.storage.store import open_store, work_folder

    for name in ("extract", "analyse", "prepare", "train", "evaluate", "validate", "refit"):
        setattr(steps, name, getattr(steps, name).fn)
    plan, store = steps.plan_retrain("flight-delay", AS_OF), open_store()
    with work_folder(store) as folder:
        made = steps.make_candidate(plan, store, folder)
    signed = {"version": made.version, "manifest": made.digest, "approver": "benchmark"}
    append_entry(store, "flight-delay", action="approve", reason="", **signed)
    append_entry(store, "flight-delay", action="release", reason="", **signed)


def _write_log(project: Path) -> None:
    """Write what a service would have logged of the flights since, an hour a part."""
    import polars as pl

    from flows.score import load_scorer
    from tasks.core.definition_file import load_definition
    from tasks.registry.versions import find_champion
    from tasks.sources.query import open_table
    from tasks.storage.store import open_store

    store = open_store()
    champion = find_champion(store, "flight-delay")
    assert champion is not None
    scorer = load_scorer(store, champion)
    definition = load_definition(project / "deployments/flight_delay.toml")
    table = open_table(definition, project)
    assert table.time is not None
    columns = dict.fromkeys([*scorer.types, *definition.extract.key])
    rows = table.rows.filter(table.time > AS_OF, table.time <= UNTIL).select(*columns).collect()
    predicted = scorer.model.predict(rows)
    asked = rows.select(
        pl.col("time_hour").dt.offset_by("-1h").alias("__time"),
        pl.format("request-{}", pl.int_range(pl.len())).alias("__request"),
        pl.lit(scorer.model.version).alias("__version"),
        pl.Series("__prediction", predicted),
        pl.all(),
    )
    hours = asked.group_by(pl.col("__time").dt.truncate("1h"))
    for number, ((hour,), part) in enumerate(hours):
        folder = Path(store.root, "predictions/flight-delay", f"date={hour:%F}", f"hour={hour:%H}")
        folder.mkdir(parents=True, exist_ok=True)
        part.write_parquet(folder / f"{number:06}.parquet", compression="lz4", statistics=False)


def compare(rows: int, folder: Path) -> dict[str, Measurement]:
    """Measure the looks, one after the other, of about so many logged rows."""
    project, copies = str(folder / "project"), max(1, round(rows / LOGGED))
    measure("benchmarks.monitor:make_project", project, str(copies))
    return {f"{look} look": measure("benchmarks.monitor:run_look", project, look) for look in LOOKS}


STUDY = Study(
    name="monitor",
    title="One look at what a champion was asked and what came true: the first of a champion, the "
    "first of new rows, and one that finds all done.",
    compare=compare,
    versions=lambda: read_versions("polars", "whylogs", "prefect"),
    ours=tuple(f"{look} look" for look in LOOKS),
    peers=(),
    goals=(
        *(Goal(f"{look} look", "", 10, rows=1_000_000) for look in LOOKS),
        *(Goal(f"{look} look", "", 1000, of="peak_mb", rows=1_000_000) for look in LOOKS),
    ),
    unit="logged rows",
    limits={f"{look} look": 10_000_000 for look in LOOKS},  # the maker holds all rows at once
)

if __name__ == "__main__":
    STUDY.run(sys.argv[1:])
