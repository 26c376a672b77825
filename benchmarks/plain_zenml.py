"""The plain steps as a ZenML pipeline on its local stack, frames and models passed as artifacts.

Imported by `benchmarks.retrain` in the peers' environment. ZenML's own materializers for Polars
and LightGBM keep them: Parquet by way of Arrow, and LightGBM's text.
"""

import lightgbm
import polars as pl
from zenml import pipeline, step

from benchmarks import plain


@step(enable_cache=False)
def extract() -> str:
    plain.extract("zenml.parquet")
    return "zenml.parquet"


@step(enable_cache=False)
def prepare(path: str) -> pl.DataFrame:
    return plain.prepare(path)


@step(enable_cache=False)
def train(table: pl.DataFrame) -> dict[str, lightgbm.Booster]:
    return plain.train(table)


@step(enable_cache=False)
def evaluate(table: pl.DataFrame, models: dict[str, lightgbm.Booster]) -> None:
    plain.evaluate(table, models)


@pipeline(enable_cache=False)
def retrain() -> None:
    table = prepare(extract())
    evaluate(table, train(table))


@pipeline(enable_cache=False)
def start() -> None:
    """Bring up ZenML's store with the smallest of pipelines."""
    say()


@step(enable_cache=False)
def say() -> str:
    return "up"
