"""Columns that scoring writes: predictions, what they mean, and the contributions that count most.

Contributions are LightGBM's own (TreeSHAP); a model for which it gives wrong ones, or none, is
refused. Not responsible for predicting, and for how rows pass through.
"""

from collections.abc import Sequence
from typing import Any

import lightgbm
import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.core.definition import Definition
from tasks.core.errors import DefinitionError
from tasks.evaluation.metrics import Array
from tasks.prediction.explainability import find_unexplained

INTERVAL_COLUMNS = "interval_low", "interval_high"
CELLS = 4_000_000  # so many numbers at once, however wide a model is


def tell_predictions(
    definition: Definition, classes: Sequence[str], predicted: Array, interval: Array | None = None
) -> pl.DataFrame:
    """Put predictions into columns, with what they mean: above the threshold, or a class.

    `interval` has the two ends of each row's interval, shape (rows, 2), or (rows, 0) if none is.
    """
    if classes:
        chances = {
            f"probability_{name}": chance for name, chance in zip(classes, predicted.T, strict=True)
        }
        likeliest = np.asarray(classes)[predicted.argmax(axis=1)].tolist()
        return pl.DataFrame({"label": pl.Series(likeliest, dtype=pl.String), **chances})
    told = pl.DataFrame({"prediction": predicted})
    if definition.target.kind == "regression":
        ends = zip(INTERVAL_COLUMNS, () if interval is None else interval.T, strict=False)
        return told.with_columns(pl.Series(name, each) for name, each in ends)
    return told.with_columns(label=pl.col("prediction") >= definition.threshold)


def list_logged(answers: pl.DataFrame, classes: Sequence[str]) -> Any:
    """Give of each answer what the prediction log keeps: `make_part`'s predictions."""
    if set(INTERVAL_COLUMNS) <= set(answers.columns):
        return answers.select("prediction", pl.concat_list(INTERVAL_COLUMNS)).rows()
    chances = [f"probability_{name}" for name in classes]
    return answers.select(pl.concat_list(chances) if chances else "prediction").to_series()


def explain_rows(
    booster: lightgbm.Booster,
    features: Sequence[str],
    rows: pl.DataFrame,
    outputs: NDArray[np.intp],
    most: int,
) -> pl.DataFrame:
    """Give the base, and the `most` largest contributions, of one output (a class) of each row.

    `rows` are a model's input. The largest absolute value comes first; of equal ones, the feature
    that the definition lists first.
    """
    base = np.empty(len(rows))
    places = np.empty((len(rows), most), np.intp)
    values = np.empty((len(rows), most))
    width = len(features) + 1
    step = max(1, CELLS // (width * booster.num_model_per_iteration()))
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        found = np.asarray(booster.predict(rows[part], pred_contrib=True))
        by_output = found.reshape(len(found), -1, width)
        contributions = by_output[np.arange(len(found)), outputs[part]]
        order = np.argsort(-np.abs(contributions[:, :-1]), axis=1, kind="stable")[:, :most]
        base[part], places[part] = contributions[:, -1], order
        values[part] = np.take_along_axis(contributions, order, axis=1)
    names, told = pl.Series(features, dtype=pl.String), [pl.Series("base", base)]
    for nth in range(most):
        told.append(names.gather(places[:, nth]).alias(f"reason_{nth + 1}"))
        told.append(pl.Series(f"contribution_{nth + 1}", np.ascontiguousarray(values[:, nth])))
    return pl.DataFrame(told)


def put_beside(keys: pl.DataFrame, told: pl.DataFrame, version: str) -> pl.DataFrame:
    """Put answers beside their keys; DefinitionError where two columns would have one name."""
    for name in keys.columns:
        if name in told.columns:
            raise DefinitionError(
                f"{version}: key {name!r} is called like a column that score writes; "
                "give it another name in [extract] query"
            )
    return pl.DataFrame([*keys, *told])  # there may be no key


def check_explainable(version: str, text: str) -> None:
    """Refuse a model, given as LightGBM's text, whose contributions would be wrong, or none."""
    if why := find_unexplained(text):
        raise DefinitionError(f"--explain: {version} cannot be explained: {why}")
