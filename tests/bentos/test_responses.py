"""Predictions are written exactly, as JSON or Arrow."""

import json
from io import BytesIO

import numpy as np
import polars as pl

from bentos.errors import RequestRefused
from bentos.model import Model
from bentos.responses import (
    write_arrow,
    write_explanations,
    write_many,
    write_model,
    write_one,
    write_refusal,
)


def test_a_label_is_written_where_there_is_one(classes: Model) -> None:
    assert json.loads(write_one(classes, 0.1 + 0.2, None)) == {
        "prediction": 0.1 + 0.2, "version": classes.version,
    }  # fmt: skip
    assert json.loads(write_many(classes, [0.25], [False]))["labels"] == [False]
    assert "labels" not in json.loads(write_many(classes, [0.25], None))


def test_arrow_holds_a_number_or_a_list_for_each_row(classes: Model) -> None:
    one = pl.read_ipc_stream(BytesIO(write_arrow(classes, [0.25, 0.5], [False, True])))
    assert one.to_dict(as_series=False) == {"prediction": [0.25, 0.5], "label": [False, True]}
    many = pl.read_ipc_stream(BytesIO(write_arrow(classes, [[0.25, 0.75]], None)))
    assert many.schema == {"prediction": pl.List(pl.Float64)}


def test_an_explanation_names_each_feature_and_the_base_of_each_class(classes: Model) -> None:
    names = list(classes.features.expressions)
    contributions = np.arange(4 * (len(names) + 1), dtype=float).reshape(1, 4, -1)
    told = write_explanations(classes, np.full((1, 4), 0.25), contributions, None, one=True)
    body = json.loads(told)
    assert body["prediction"] == [0.25] * 4
    assert body["classes"]["east"]["contributions"][names[0]] == 0
    assert body["classes"]["east"]["base"] == len(names)


def test_a_model_and_a_refusal_are_told(classes: Model) -> None:
    said = json.loads(write_model(classes))
    assert (said["version"], said["kind"]) == (classes.version, "multiclass")
    refused = RequestRefused(400, "is missing", "x")
    assert json.loads(write_refusal(refused)) == {"error": "is missing", "field": "x"}
