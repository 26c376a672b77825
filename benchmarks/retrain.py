"""How much the retrain flow costs over a bare script that makes the same library calls.

Run `python -m benchmarks.retrain [ROWS...]`. Beyond the flights there are, rows are a made-up
history with 24 features (`history`). The script reads, joins and sorts the sources, writes a
snapshot, numbers the features, trains with early stopping, on the whole window, a tree to beat and
once more on everything, and predicts what evaluation predicts. It profiles and checks nothing,
draws no interval and no report, and keeps no registry: that is what the difference pays for.
Start-up (imports, Prefect's temporary server) is left out on both sides. Of rows that the script
could not hold in memory, the flow alone is measured.
"""

import shutil
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.history import DATA, DEFINITION, FLIGHTS
from benchmarks.measure import (
    Measurement,
    describe_machine,
    measure,
    read_record,
    write_record,
)

LARGE = 10_000_000  # more, and the script would need more memory than a laptop has
RUNS = {FLIGHTS: 3, LARGE: 1}
GOALS = {
    "more seconds": 5.0,
    "time at 10M rows": 1.10,
    "peak memory": 1.2,
    "peak_mb at 30M rows": 6000,
}


def make_flights(folder: str, rows: str) -> Callable[[], object]:
    """Write a project with the flights as they are."""

    def write() -> None:
        project = Path(folder)
        shutil.copytree(DATA, project / "data/nycflights13")
        (project / "deployments").mkdir()
        shutil.copy(DEFINITION, project / "deployments")

    return write


def run_flow(project: str) -> Callable[[], object]:
    """Prepare the real flow, Prefect's temporary server started."""
    import os

    os.chdir(project)
    os.environ["PERENNIAL_ROOT"] = tempfile.mkdtemp(dir=project)
    os.environ["PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"] = "CRITICAL"
    _hide_scikit_learn()
    from flows.retrain import retrain

    _start_prefect()
    return lambda: retrain("flight-delay")


def run_script(project: str) -> Callable[[], object]:
    """Prepare the bare script; it shares nothing with the project but the definition's text."""
    import os
    import tomllib

    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    os.chdir(project)
    import lightgbm
    import numpy as np
    import polars as pl

    definition = tomllib.loads(Path("deployments/flight_delay.toml").read_text())
    training = definition["training"]

    def work() -> None:
        tables = {name: pl.scan_parquet(uri) for name, uri in definition["sources"].items()}
        key = definition["extract"]["key"]
        query = pl.SQLContext(tables).execute(definition["extract"]["query"])
        query.sort(key).sink_parquet("bare.parquet")
        rows = pl.scan_parquet("bare.parquet").filter(pl.col("arr_delay").is_not_null())
        features = [pl.sql_expr(sql).alias(name) for name, sql in definition["features"].items()]
        table = rows.select("time_hour", *features, late=pl.col("arr_delay") > 15).collect()
        as_of = table["time_hour"].max()
        matured = as_of - pl.duration(days=1)
        holdout = matured - pl.duration(days=30)
        table = table.filter(pl.col("time_hour") <= matured).with_columns(
            part=(pl.col("time_hour") >= holdout).cast(pl.Int8) * 2
            + (pl.col("time_hour") >= holdout - pl.duration(days=1)).cast(pl.Int8)
        )
        texts = [name for name, dtype in table.schema.items() if dtype == pl.String]
        seen = table.filter(part=0)
        for name in texts:
            levels = seen[name].drop_nulls().value_counts(sort=True).filter(pl.col("count") >= 20)
            levels = levels[name].head(250)
            codes = pl.Series(range(1, len(levels) + 1), dtype=pl.Int32)
            known = pl.col(name).replace_strict(levels, codes, default=0)
            table = table.with_columns(pl.when(pl.col(name).is_not_null()).then(known).alias(name))
        names = list(definition["features"])
        params = {
            "objective": "binary", "seed": 1, "num_threads": training["threads"],
            "deterministic": True, "force_row_wise": True, "verbosity": -1,
            **training.get("params", {}),
        }  # fmt: skip
        train = table.filter(part=0)
        y = train["late"].to_numpy().astype(float)
        places = [names.index(name) for name in texts]
        data = lightgbm.Dataset(train.select(names), y, categorical_feature=places, params=params)
        data.construct()
        stop = int(len(train) * (1 - training["stopping_share"]))
        stop = train["time_hour"].search_sorted(train["time_hour"][stop])  # as a moment is one part
        fitted = lightgbm.train(
            params,
            data.subset(list(range(stop))),
            training.get("rounds", 1000),
            valid_sets=[data.subset(list(range(stop, len(train))))],
            callbacks=[lightgbm.early_stopping(training.get("early_stopping", 50), verbose=False)],
        )
        twin = lightgbm.train(params, data, fitted.best_iteration)
        simple = lightgbm.train({**params, "num_leaves": 8, "learning_rate": 1.0}, data, 1)
        everything = lightgbm.Dataset(
            table.select(names),
            table["late"].to_numpy().astype(float),
            categorical_feature=places,
            params=params,
        )
        final = lightgbm.train(params, everything, fitted.best_iteration)
        held = table.filter(part=3).select(names)
        twin.predict(held)
        simple.predict(held)
        twin.predict(train.select(names).gather_every(max(1, len(train) // 100_000)))
        twin.predict(held.gather_every(max(1, len(held) // 2000)), pred_contrib=True)
        Path("bare.txt").write_text(final.model_to_string())
        assert np.isfinite(fitted.best_score["valid_0"]["binary_logloss"])

    return work


def _start_prefect() -> None:
    from prefect import flow

    flow(lambda: None, name="start")()


def _hide_scikit_learn() -> None:
    # whylogs and LightGBM load it where it is there: with the tests, not in what users install.
    sys.modules["sklearn"] = None  # type: ignore[assignment]


def compare(rows: int, folder: str) -> dict[str, Any]:
    """Measure flow and script side by side on a project of so many rows."""
    project = str(Path(folder, str(rows)))
    maker = "retrain:make_flights" if rows == FLIGHTS else "history:make_project"
    measure(f"benchmarks.{maker}", project, str(rows))
    runs = {
        name: measure(f"benchmarks.retrain:run_{name}", project, runs=RUNS.get(rows, 1))
        for name in (("script", "flow") if rows <= LARGE else ("flow",))
    }
    return describe(runs)


def describe(runs: dict[str, Measurement]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "runs": {
            name: {"seconds": round(run.seconds, 2), "peak_mb": round(run.peak_mb)}
            for name, run in runs.items()
        }
    }
    if "script" not in runs:
        return found
    flow, script = runs["flow"], runs["script"]
    return found | {
        "more seconds": round(flow.seconds - script.seconds, 2),
        "time": round(flow.seconds / script.seconds, 3),
        "peak memory": round(flow.peak_mb / script.peak_mb, 2),
    }


def write_table(title: str, found: dict[str, Any]) -> str:
    lines = [f"retrain, {title}", f"{'':10}{'seconds':>9}{'peak MB':>9}"]
    for name, run in found["runs"].items():
        lines.append(f"{name:10}{run['seconds']:>9.2f}{run['peak_mb']:>9}")
    if "script" not in found["runs"]:
        return "\n".join(lines)
    lines.append(
        f"{found['more seconds']:+.1f} s, {found['time']:.2f} times the script's time; "
        f"{found['peak memory']:.2f} of its memory"
    )
    return "\n".join(lines)


def main() -> str:
    """Measure, record beside what was recorded of other sizes, print, and give what was printed."""
    sizes = [int(size) for size in sys.argv[1:]] or [FLIGHTS, LARGE]
    with tempfile.TemporaryDirectory() as folder:
        tables = {f"{rows:,} rows": compare(rows, folder) for rows in sizes}
    text = "\n\n".join(write_table(title, found) for title, found in tables.items())
    print(text)
    record = {
        "tables": read_record("retrain").get("tables", {}) | tables,
        "goals": GOALS,
        "machine": describe_machine(),
        "versions": {name: version(name) for name in ("polars", "lightgbm", "prefect")},
    }
    write_record("retrain", record)
    return text


if __name__ == "__main__":
    main()
