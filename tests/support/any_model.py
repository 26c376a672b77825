"""A table with columns of every type, models trained on it, and requests for them in process."""

import asyncio
import json
from datetime import date
from io import BytesIO
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from servers import make_version
from tables import ROWS, Project, define

from bentos.app import PredictionApp
from bentos.metrics import Metrics
from bentos.microbatching import MicroBatcher
from bentos.model import Model, load_folder
from bentos.prediction_log_writer import PredictionLog
from bentos.prediction_pipeline import PredictionPipeline
from bentos.responses import JSON

ID = pl.col("id")
TABLE = ROWS.with_columns(
    flag=ID % 3 == 0,
    day=pl.lit(date(2020, 1, 1)) + pl.duration(days=ID % 200),
    clock=pl.time(ID % 24, ID % 60),
    span=pl.duration(minutes=ID),
    big=ID.cast(pl.UInt64) + 2**63,
    price=(ID / 7).cast(pl.Decimal(10, 2)),
    color=pl.col("c").cast(pl.Categorical),
    when=pl.when(ID % 2 == 0).then(pl.lit("2020-01-02")).otherwise(pl.lit("2021-03-04")),
)
FEATURES = """x = "x"
flag = "flag"
month = "DATE_PART('month', day)"
hour = "DATE_PART('hour', clock)"
long = "span > INTERVAL '3 hours'"
big = "big"
price = "price"
color = "color"
year = "DATE_PART('year', STRPTIME(\\"when\\", '%Y-%m-%d'))"
"""
QUESTION = {
    "x": 1.5, "flag": True, "day": "2020-02-03", "clock": "10:30:00", "span": "PT90M",
    "big": 2**63 + 5, "price": 3.25, "color": "north", "when": "2020-01-02",
}  # fmt: skip

# Names of columns that are no names in Python, mean something to pydantic, or are markup.
ODD = ["a b", "_x", "self", "model_config", "größe", "asked", "<img src=x onerror=alert(1)>"]


def make_odd_model(folder: Path) -> Model:
    table = ROWS.with_columns(pl.col("x").alias(name) + place for place, name in enumerate(ODD))
    features = "".join(f"f{place} = '\"{name}\"'\n" for place, name in enumerate(ODD))
    return make_model(folder, 'value = "y"\nkind = "binary"', features, table)


def make_model(
    folder: Path,
    target: str,
    features: str = FEATURES,
    table: pl.DataFrame = TABLE,
    params: str = "",
) -> Model:
    """Train by the plain functions, in a project of its own."""
    training = f"threads = 1\nrounds = 5\nparams = {{ min_data_in_leaf = 5{params} }}"
    sections = {"target": target, "features": features, "training": training}
    return load_folder(make_folder(folder, table, **sections))


def make_folder(folder: Path, table: pl.DataFrame, **sections: str) -> Path:
    """Make a version of a table in a project of its own by the plain functions of the steps."""
    import flows.retrain as steps

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("PERENNIAL_ROOT", str(folder / "root"))
        for name in ("extract", "analyse", "prepare", "train", "evaluate", "validate", "refit"):
            patch.setattr(steps, name, getattr(steps, name).fn)
        Project(folder).write(table)
        (folder / "deployments").mkdir()
        (folder / "deployments" / "made.toml").write_text(define(**sections))
        version = make_version(steps, None, "made")
    return folder / "root" / "models" / "made" / version


def ask(
    server: PredictionApp, path: str, body: bytes = b"", kind: bytes = JSON, **message: Any
) -> tuple[int, Any]:
    """Put one request through the application, as a web server does."""
    said: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, **message}

    async def send(part: Any) -> None:
        said.append(part)

    method = "POST" if path in ("/predict", "/explain") else "GET"
    headers = [(b"content-type", kind), (b"authorization", b"Bearer " + server.token)]
    headers.append((b"host", b"localhost"))
    scope = {"type": "http", "path": path, "method": method, "headers": headers}
    asyncio.run(server(scope, receive, send))
    if not said:
        return 0, None
    data = said[1]["body"]
    return said[0]["status"], pl.read_ipc_stream(data) if data[:1] == b"\xff" else json.loads(data)


def write(**values: Any) -> bytes:
    return json.dumps(QUESTION | values).encode()


def stream(rows: pl.DataFrame, *names: str) -> bytes:
    buffer = BytesIO()
    rows.select(*QUESTION, *names).write_ipc_stream(buffer)
    return buffer.getvalue()


def gather(model: Model, asked: list[tuple[Model, Any]], gone: tuple[int, ...] = ()) -> list[Any]:
    """Ask in one turn of the event loop; some of those who asked go away meanwhile."""

    async def run() -> list[Any]:
        metrics = Metrics()
        gatherer = MicroBatcher(PredictionPipeline(metrics, PredictionLog(None, metrics)))
        answers = [gatherer.ask(each, row, "r") for each, row in asked]
        for place in gone:
            answers[place].cancel()
        return list(await asyncio.gather(*answers, return_exceptions=True))

    metrics = [each if isinstance(each, BaseException) else json.loads(each) for each in
               asyncio.run(run())]  # fmt: skip
    return metrics
