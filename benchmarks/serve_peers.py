"""What `benchmarks.serve` measures against: the same features and model behind other servers.

Runs in `.venv-serve-peers`. Each peer takes the same raw row, evaluates the same expressions with
the project's own `tasks.features.transform`, and asks the same LightGBM model.
"""

import ctypes
import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

os.environ.setdefault("POLARS_MAX_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import lightgbm
import numpy as np
import polars as pl

from tasks.features.transform import Features, Vocabulary, encode_expressions, feature_expressions

FOLDER = Path(os.environ["PERENNIAL_MODEL"])


class Plain:
    """The way from raw rows to predictions that every peer shares."""

    def __init__(self) -> None:
        self.features = Features.model_validate_json((FOLDER / "features.json").read_bytes())
        vocabulary = Vocabulary.model_validate_json((FOLDER / "vocabulary.json").read_bytes())
        self.schema = {name: _dtype(text) for name, text in self.features.columns.items()}
        self.evaluate = feature_expressions(self.features)
        numbered = pl.LazyFrame(schema=self.schema).select(self.evaluate).collect_schema()
        encode = encode_expressions(self.features, vocabulary, numbered)
        self.encode = [each.cast(pl.Float64) for each in encode]
        self.booster = lightgbm.Booster(model_file=str(FOLDER / "model.txt"))

    def number(self, rows: list[dict[str, Any]]) -> Any:
        frame = pl.DataFrame(rows, schema=self.schema)
        return frame.select(self.evaluate).select(self.encode).to_numpy()

    def predict(self, rows: list[dict[str, Any]]) -> list[float]:
        return list(self.booster.predict(self.number(rows), num_threads=1).tolist())


class Tuned(Plain):
    """The same with LightGBM's prepared call for one row."""

    def __init__(self) -> None:
        super().__init__()
        self.library, self.config = lightgbm.basic._LIB, ctypes.c_void_p()
        self.width = self.booster.num_feature()
        self.library.LGBM_BoosterPredictForMatSingleRowFastInit(
            self.booster._handle, 0, 0, -1, 1, self.width, b"num_threads=1",
            ctypes.byref(self.config),
        )  # fmt: skip
        self.row, self.result = np.empty(self.width), np.empty(1)
        self.pointers = (
            ctypes.c_void_p(self.row.ctypes.data),
            ctypes.byref(ctypes.c_int64()),
            ctypes.c_void_p(self.result.ctypes.data),
        )

    def predict_one(self, row: dict[str, Any]) -> float:
        self.row[:] = self.number([row])[0]
        self.library.LGBM_BoosterPredictForMatSingleRowFast(self.config, *self.pointers)
        return float(self.result[0])


def _dtype(text: str) -> Any:
    return eval(text, vars(pl))  # as the project's own training wrote it


def python_types(plain: Plain) -> dict[str, Any]:
    """Give the type that a person would write for each column."""
    types: dict[str, Any] = {}
    for name, dtype in plain.schema.items():
        if dtype == pl.String:
            types[name] = str
        elif dtype.is_temporal():
            types[name] = datetime
        else:
            types[name] = int if dtype.is_integer() else float
    return types


def fastapi_plain() -> Any:
    """Build FastAPI as people write it: a pydantic model for a row, a sync endpoint."""
    from fastapi import FastAPI
    from pydantic import create_model

    plain, app = Plain(), FastAPI()
    fields = {name: (kind | None, ...) for name, kind in python_types(plain).items()}
    Row: Any = create_model("Row", **fields)

    def predict(row: Row) -> dict[str, float]:
        return {"prediction": plain.predict([row.model_dump()])[0]}

    def predict_rows(rows: list[Row]) -> dict[str, list[float]]:
        return {"predictions": plain.predict([row.model_dump() for row in rows])}

    app.post("/predict")(predict)
    app.post("/rows")(predict_rows)
    return app


def fastapi_tuned() -> Any:
    """Build FastAPI tuned: async, msgspec in and out, LightGBM's prepared call."""
    import msgspec
    from fastapi import FastAPI, Request, Response

    tuned, app = Tuned(), FastAPI()
    kinds = [(name, kind | None) for name, kind in python_types(tuned).items()]
    row_type = msgspec.defstruct("Row", kinds, gc=False)
    one, many = msgspec.json.Decoder(row_type), msgspec.json.Decoder(list[row_type])  # type: ignore[valid-type]
    encode, as_dict = msgspec.json.Encoder().encode, msgspec.structs.asdict

    async def predict(request: Request) -> Response:
        value = tuned.predict_one(as_dict(one.decode(await request.body())))
        return Response(encode({"prediction": value}), media_type="application/json")

    async def predict_rows(request: Request) -> Response:
        rows = [as_dict(row) for row in many.decode(await request.body())]
        return Response(encode({"predictions": tuned.predict(rows)}), media_type="application/json")

    app.post("/predict")(predict)
    app.post("/rows")(predict_rows)
    return app


def save_mlflow(folder: str) -> None:
    """Save a model that `mlflow models serve` takes."""
    import mlflow

    class Model(mlflow.pyfunc.PythonModel):  # type: ignore[misc,name-defined]
        def load_context(self, context: Any) -> None:
            self.plain = Plain()

        def predict(self, context: Any, model_input: Any, params: Any = None) -> list[float]:
            rows = pl.from_pandas(model_input)
            times = [name for name, kind in self.plain.schema.items() if kind.is_temporal()]
            parsed = rows.with_columns(
                pl.col(name).cast(pl.String).str.to_datetime(time_zone="UTC") for name in times
            )
            frame = parsed.select(pl.col(name).cast(t) for name, t in self.plain.schema.items())
            numbers = frame.select(self.plain.evaluate).select(self.plain.encode).to_numpy()
            return list(self.plain.booster.predict(numbers, num_threads=1).tolist())

    mlflow.pyfunc.save_model(folder, python_model=Model(), pip_requirements=[])


def example(count: int) -> list[dict[str, Any]]:
    """Read raw rows from the model's snapshot, as JSON writes them."""
    columns = json.loads((FOLDER / "features.json").read_bytes())["columns"]
    snapshot = json.loads((FOLDER / "lineage.json").read_bytes())["snapshot"]
    parts = FOLDER.parents[2] / "snapshots" / snapshot / "*.parquet"
    rows = pl.scan_parquet(parts).select(list(columns)).tail(count).collect()
    return [
        {k: v.isoformat() if isinstance(v, datetime) else v for k, v in row.items()}
        for row in rows.iter_rows(named=True)
    ]
