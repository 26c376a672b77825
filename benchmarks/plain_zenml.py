"""The plain steps as a ZenML pipeline on its local stack, frames and models passed as artifacts.

Imported by `benchmarks.retrain` in the peers' environment.
"""

from typing import Any

from zenml import pipeline, step

from benchmarks import plain


@step(enable_cache=False)
def extract() -> str:
    plain.extract("zenml.parquet")
    return "zenml.parquet"


@step(enable_cache=False)
def prepare(path: str) -> Any:
    return plain.prepare(path)


@step(enable_cache=False)
def train(table: Any) -> Any:
    return plain.train(table)


@step(enable_cache=False)
def evaluate(table: Any, models: Any) -> None:
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
