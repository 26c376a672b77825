"""How fast and how large the scoring of a table is, beside a loop of Polars and LightGBM.

Run `python -m benchmarks.score [ROWS...]`. Both read the same Parquet file in parts, turn raw
columns into features by the same expressions, predict with the same model, and write keys and
predictions to Parquet. The loop is what a person would write, and shares nothing with the project
but the definition's expressions and the model's files; it checks nothing, and keeps its answers in
memory until the end. That all answer the same is checked, and not measured. Start-up and Prefect
are left out: they are the same second for a table of any size.
"""

import json
import os
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.measure import ROOT, Measurement, measure, read_versions
from benchmarks.study import Goal, Study

PREDICTORS = {"perennial": "lightgbm", "compiled": "compiled"}
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
        snapshot = pl.scan_parquet(f"{folder}/../root/snapshots/*/*.parquet")
        copies = -(-int(rows) // snapshot.select(pl.len()).collect().item())
        table = pl.concat([snapshot] * copies).head(int(rows))
        table.sink_parquet(f"{folder}/{rows}.parquet")

    return write


def open_scorer(folder: str) -> Any:
    from flows.score import load_scorer
    from tasks.registry.versions import list_versions
    from tasks.storage.store import open_store

    store = open_store(f"{folder}/../root")
    return load_scorer(store, next(iter(list_versions(store, MODEL).values())))


def run_score(folder: str, rows: str, predictor: str) -> Callable[[], object]:
    """Prepare Perennial's own scoring, by LightGBM or by the compiled predictor."""
    from tasks.prediction.batch_scoring import find_forest, score_table

    scorer = open_scorer(folder)
    forest = find_forest(scorer.model) if predictor == "compiled" else None
    assert (forest is not None) == (predictor == "compiled")
    ours = scorer.model_copy(update={"forest": forest})
    work = Path(tempfile.mkdtemp(dir=folder))
    source, target = f"{folder}/{rows}.parquet", f"{folder}/{predictor}.parquet"
    return lambda: score_table(ours, source, target, work, None)


def run_loop(folder: str, rows: str) -> Callable[[], object]:
    """Prepare the loop that a person would write."""
    import lightgbm
    import polars as pl

    (version,) = Path(folder, f"../root/models/{MODEL}").glob("20*")
    definition = tomllib.loads((version / "definition.toml").read_text())
    levels = json.loads((version / "vocabulary.json").read_text())["categories"]
    booster = lightgbm.Booster(model_file=version / "model.txt")
    features = [pl.sql_expr(sql).alias(name) for name, sql in definition["features"].items()]

    def number(name: str) -> pl.Expr:
        # 0 is a level that training did not know.
        code = pl.col(name).cast(pl.Enum(levels[name]), strict=False).to_physical().cast(pl.Int32)
        return pl.when(pl.col(name).is_not_null()).then((code + 1).fill_null(0)).alias(name)

    def work() -> None:
        answers = []
        table = pl.scan_parquet(f"{folder}/{rows}.parquet")
        for batch in table.collect_batches(chunk_size=BATCH, lazy=True):
            numbers = batch.select(features).with_columns(number(name) for name in levels)
            predicted = pl.Series("prediction", booster.predict(numbers))
            keys = batch.select(definition["extract"]["key"])
            answers.append(keys.with_columns(predicted, label=predicted >= 0.5))
        pl.concat(answers).write_parquet(f"{folder}/loop.parquet")

    return work


def check_answers(folder: str, *others: str) -> Callable[[], object]:
    """Prepare to refuse answers that are not all the same."""
    import polars as pl

    def work() -> None:
        ours = pl.read_parquet(f"{folder}/lightgbm.parquet")
        for other in others:
            if not ours.equals(pl.read_parquet(f"{folder}/{other}.parquet")):
                raise RuntimeError(f"{other} does not answer as Perennial does")

    return work


def compare(rows: int, folder: Path) -> dict[str, Measurement]:
    """Measure all three on a table of so many rows."""
    if not (folder.parent / "root").exists():
        make_root(folder.parent)
    given = (str(folder), str(rows))
    measure("benchmarks.score:make_table", *given)
    runs = 3 if rows < 500_000 else 1
    found = {
        who: measure("benchmarks.score:run_score", *given, predictor, runs=runs)
        for who, predictor in PREDICTORS.items()
    }
    others = [PREDICTORS["compiled"]]
    if "loop" in STUDY.those_at(rows):
        found["loop"] = measure("benchmarks.score:run_loop", *given, runs=runs)
        others.append("loop")
    measure("benchmarks.score:check_answers", str(folder), *others)
    return found


STUDY = Study(
    name="score",
    title="The champion over a whole table, by LightGBM and compiled, beside a loop of polars and "
    "LightGBM.",
    compare=compare,
    versions=lambda: read_versions("polars", "lightgbm", "llvmlite"),
    ours=tuple(PREDICTORS),
    peers=("loop",),
    goals=(Goal("perennial", "loop", 1 / 0.9), Goal("compiled", "loop", 1 / 2.5)),
    limits={"loop": 10_000_000},
)

if __name__ == "__main__":
    STUDY.run(sys.argv[1:])
