"""The steps of a retrain as a bare script has them, shared with the peers that orchestrate it.

Reads, joins and sorts the sources, writes a snapshot, numbers the features, trains with early
stopping, on the whole window, a tree to beat and once more on everything, and predicts what
evaluation predicts. Shares nothing with the project but the definition's text, so that peers can
run it in an environment of their own, from the project's folder.
"""

import os
import tomllib
from pathlib import Path
from typing import Any

os.environ["OMP_WAIT_POLICY"] = "PASSIVE"  # before LightGBM: its threads leave polars a core

import lightgbm
import numpy as np
import polars as pl

LATE = "late"
CODE = pl.UInt32  # what numbered text is kept as, and nothing else is


def read_definition() -> dict[str, Any]:
    return tomllib.loads(Path("deployments/flight_delay.toml").read_text())


def extract(path: str) -> None:
    """Write what the definition asks for, sorted by its key."""
    definition = read_definition()
    tables = {name: pl.scan_parquet(uri) for name, uri in definition["sources"].items()}
    query = pl.SQLContext(tables).execute(definition["extract"]["query"])
    query.sort(definition["extract"]["key"]).sink_parquet(path)


def prepare(path: str) -> pl.DataFrame:
    """Turn features into numbers; `part` is 0 for training, 1 for the gap and 3 for the holdout."""
    features = read_definition()["features"]
    rows = pl.scan_parquet(path).filter(pl.col("arr_delay").is_not_null())
    wanted = [pl.sql_expr(sql).alias(name) for name, sql in features.items()]
    table = rows.select("time_hour", *wanted, late=pl.col("arr_delay") > 15).collect()
    matured = table["time_hour"].max() - pl.duration(days=1)
    holdout = matured - pl.duration(days=30)
    table = table.filter(pl.col("time_hour") <= matured).with_columns(
        part=(pl.col("time_hour") >= holdout).cast(pl.Int8) * 2
        + (pl.col("time_hour") >= holdout - pl.duration(days=1)).cast(pl.Int8)
    )
    seen = table.filter(part=0)
    for name in [name for name, dtype in table.schema.items() if dtype == pl.String]:
        levels = seen[name].drop_nulls().value_counts(sort=True).filter(pl.col("count") >= 20)
        levels = levels[name].head(250)
        codes = pl.Series(range(1, len(levels) + 1), dtype=CODE)
        known = pl.col(name).replace_strict(levels, codes, default=0)
        table = table.with_columns(pl.when(pl.col(name).is_not_null()).then(known).alias(name))
    return table


def train(table: pl.DataFrame) -> dict[str, lightgbm.Booster]:
    """Train what a retrain trains: the twin, a tree to beat, and the twin on everything."""
    definition = read_definition()
    training, names = definition["training"], list(definition["features"])
    places = [number for number, name in enumerate(names) if table[name].dtype == CODE]
    params = {
        "objective": "binary", "seed": 1, "num_threads": training["threads"],
        "deterministic": True, "force_row_wise": True, "verbosity": -1,
        **training.get("params", {}),
    }  # fmt: skip
    part = table.filter(part=0)
    y = part[LATE].to_numpy().astype(float)
    data = lightgbm.Dataset(part.select(names), y, categorical_feature=places, params=params)
    data.construct()
    stop = int(len(part) * (1 - training["stopping_share"]))
    stop = part["time_hour"].search_sorted(part["time_hour"][stop])  # as a moment is one part
    fitted = lightgbm.train(
        params,
        data.subset(list(range(stop))),
        training.get("rounds", 1000),
        valid_sets=[data.subset(list(range(stop, len(part))))],
        callbacks=[lightgbm.early_stopping(training.get("early_stopping", 50), verbose=False)],
    )
    assert np.isfinite(fitted.best_score["valid_0"]["binary_logloss"])
    twin = lightgbm.train(params, data, fitted.best_iteration)
    simple = lightgbm.train({**params, "num_leaves": 8, "learning_rate": 1.0}, data, 1)
    everything = lightgbm.Dataset(
        table.select(names),
        table[LATE].to_numpy().astype(float),
        categorical_feature=places,
        params=params,
    )
    final = lightgbm.train(params, everything, fitted.best_iteration)
    return {"twin": twin, "simple": simple, "final": final}


def evaluate(table: pl.DataFrame, models: dict[str, lightgbm.Booster]) -> None:
    """Predict what evaluation predicts, and write the model."""
    names, twin = list(read_definition()["features"]), models["twin"]
    held, part = table.filter(part=3).select(names), table.filter(part=0).select(names)
    twin.predict(held)
    models["simple"].predict(held)
    twin.predict(part.gather_every(max(1, len(part) // 100_000)))
    explained = min(2000, 100_000 // twin.num_trees())
    twin.predict(held.gather_every(max(1, len(held) // explained)), pred_contrib=True)
    Path("bare.txt").write_text(models["final"].model_to_string())
