"""BentoML as people write it, the peer that runs as `bentoml serve`."""

from typing import Any

import bentoml
from pydantic import create_model

from benchmarks.serve_peers import Plain, python_types

plain = Plain()
fields: dict[str, Any] = {name: (kind | None, ...) for name, kind in python_types(plain).items()}
Row: Any = create_model("Row", **fields)


@bentoml.service
class Model:
    @bentoml.api
    def predict(self, row: Row) -> dict[str, float]:
        return {"prediction": plain.predict([row.model_dump()])[0]}

    @bentoml.api
    def predict_rows(self, rows: list[Row]) -> dict[str, list[float]]:
        return {"predictions": plain.predict([row.model_dump() for row in rows])}


service = Model
