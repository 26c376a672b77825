"""How fast and how large the scoring of a table is, beside a loop of Polars and LightGBM.

Run `python -m benchmarks.score [ROWS...]`. Both read the same Parquet file in parts, turn raw
columns into features by the same expressions, predict with the same model, and write keys and
predictions to Parquet. The loop checks nothing, and keeps its answers in memory until the end.
Start-up and Prefect are left out: they are the same second for a table of any size.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.measure import (
    ROOT,
    Measurement,
    describe_machine,
    measure,
    read_record,
    write_record,
)

SIZES = (1_000_000, 10_000_000)
RUNS = 3
GOALS = {"lightgbm": 0.9, "compiled": 2.5}  # the loop's time, as a multiple of ours
MODEL = "flight-delay"
BATCH = 50_000


def make_root(folder: Path) -> str:
    """Train the default model as a user would, and give its version."""
    environment = os.environ | {"PERENNIAL_ROOT": str(folder / "root")}
    command = [sys.executable, "-m", "flows.cli", "retrain", MODEL, "--as-of", "2013-10-01"]
    made = subprocess.run(
        [*command, "--json"],
        cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    return str(json.loads(made.stdout)["version"])


def make_table(folder: str, rows: str) -> Callable[[], object]:
    """Write the raw rows of the model's snapshot over and over, until there are so many."""
    import polars as pl

    def write() -> None:
        snapshot = pl.scan_parquet(f"{folder}/root/snapshots/*/*.parquet")
        copies = -(-int(rows) // snapshot.select(pl.len()).collect().item())
        table = pl.concat([snapshot] * copies).head(int(rows))
        table.sink_parquet(f"{folder}/{rows}.parquet")

    return write


def open_scorer(folder: str) -> Any:
    from flows.score import load_scorer
    from tasks.registry import list_versions
    from tasks.store import open_store

    store = open_store(f"{folder}/root")
    return load_scorer(store, next(iter(list_versions(store, MODEL).values())))


def run_score(folder: str, rows: str, predictor: str) -> Callable[[], object]:
    """Prepare Perennial's own scoring, by LightGBM or by the compiled predictor."""
    from tasks.scoring import find_forest, score_table

    scorer = open_scorer(folder)
    serving = scorer.definition.serving.model_copy(update={"predictor": predictor})
    definition = scorer.definition.model_copy(update={"serving": serving})
    forest = find_forest(definition, scorer.booster.model_to_string(), scorer.booster)
    assert (forest is not None) == (predictor == "compiled")
    ours = scorer.model_copy(update={"definition": definition, "forest": forest})
    work = Path(tempfile.mkdtemp(dir=folder))
    source, target = f"{folder}/{rows}.parquet", f"{folder}/{predictor}.parquet"
    return lambda: score_table(ours, source, target, work, None)


def run_loop(folder: str, rows: str) -> Callable[[], object]:
    """Prepare the loop that a person would write."""
    import polars as pl

    from tasks.features import encode

    scorer = open_scorer(folder)
    keys = list(scorer.definition.extract.key)

    def work() -> None:
        answers = []
        table = pl.scan_parquet(f"{folder}/{rows}.parquet")
        for batch in table.collect_batches(chunk_size=BATCH, lazy=True):
            numbers = encode(batch.lazy(), scorer.features, scorer.vocabulary).collect()
            predicted = pl.Series("prediction", scorer.booster.predict(numbers))
            answers.append(batch.select(keys).with_columns(predicted, label=predicted >= 0.5))
        pl.concat(answers).write_parquet(f"{folder}/loop.parquet")

    return work


def compare(rows: int, folder: str) -> dict[str, Any]:
    """Measure all three on a table of so many rows."""
    measure("benchmarks.score:make_table", folder, str(rows))
    each = folder, str(rows)
    loop = measure("benchmarks.score:run_loop", *each, runs=RUNS)
    found = {"loop": loop} | {
        name: measure("benchmarks.score:run_score", *each, name, runs=RUNS) for name in GOALS
    }
    return {name: describe(run, loop) for name, run in found.items()}


def describe(run: Measurement, loop: Measurement) -> dict[str, float]:
    return {
        "seconds": round(run.seconds, 2),
        "peak_mb": round(run.peak_mb),
        "speed": round(loop.seconds / run.seconds, 2),
    }


def write_table(title: str, found: dict[str, Any]) -> str:
    lines = [f"score, {title}", f"{'':10}{'seconds':>9}{'peak MB':>9}{'speed':>8}{'goal':>7}"]
    for name, run in found.items():
        goal = f"{GOALS[name]:>7}" if name in GOALS else ""
        numbers = f"{run['seconds']:>9.2f}{run['peak_mb']:>9}{run['speed']:>8.2f}"
        lines.append(f"{name:10}{numbers}{goal}")
    return "\n".join(lines)


def main() -> None:
    """Measure, record beside what was recorded of other sizes, and print."""
    sizes = [int(size) for size in sys.argv[1:]] or list(SIZES)
    with tempfile.TemporaryDirectory() as folder:
        make_root(Path(folder))
        tables = {f"{rows:,} rows": compare(rows, folder) for rows in sizes}
    print("\n\n".join(write_table(title, found) for title, found in tables.items()))
    versions = {name: version(name) for name in ("polars", "lightgbm", "llvmlite")}
    tables = read_record("score").get("tables", {}) | tables
    record = {"tables": tables, "goals": GOALS, "machine": describe_machine(), "versions": versions}
    write_record("score", record)


if __name__ == "__main__":
    main()
