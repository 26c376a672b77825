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
from tasks.core.pinball import Pinball, take_middle
from tasks.evaluation.metrics import Array
from tasks.prediction.explainability import find_unexplained

INTERVAL_COLUMNS = "interval_low", "interval_high"
CELLS = 4_000_000  # so many numbers at once, however wide a model is


def tell_predictions(
    definition: Definition, classes: Sequence[str], predicted: Array, interval: Array | None = None
) -> pl.DataFrame:
    """Put predictions into columns, with what they mean: above the threshold, or a class.

    `interval` has the two ends of each row's interval, shape (rows, 2), or (rows, 0) if none is. Of
    quantiles the middle one comes first, as the prediction, and then all of them.
    """
    if classes:
        chances = {
            f"probability_{name}": chance for name, chance in zip(classes, predicted.T, strict=True)
        }
        likeliest = np.asarray(classes)[predicted.argmax(axis=1)].tolist()
        return pl.DataFrame({"label": pl.Series(likeliest, dtype=pl.String), **chances})
    if pinball := definition.pinball:
        quantiles = zip(quantile_columns(pinball), predicted.T, strict=True)
        return pl.DataFrame({"prediction": take_middle(pinball, predicted), **dict(quantiles)})
    told = pl.DataFrame({"prediction": predicted})
    if definition.target.kind == "regression":
        ends = zip(INTERVAL_COLUMNS, () if interval is None else interval.T, strict=False)
        return told.with_columns(pl.Series(name, each) for name, each in ends)
    return told.with_columns(label=pl.col("prediction") >= definition.threshold)


def quantile_columns(pinball: Pinball | None) -> list[str]:
    """Name the columns of quantiles.

    >>> quantile_columns(Pinball((0.05, 0.5)))
    ['quantile_0.05', 'quantile_0.5']
    """
    return [f"quantile_{level}" for level in pinball.levels] if pinball else []


def list_logged(
    answers: pl.DataFrame, classes: Sequence[str], pinball: Pinball | None = None
) -> Any:
    """Give of each answer what the prediction log keeps: `make_part`'s predictions."""
    if set(INTERVAL_COLUMNS) <= set(answers.columns):
        return answers.select("prediction", pl.concat_list(INTERVAL_COLUMNS)).rows()
    several = [f"probability_{name}" for name in classes] or quantile_columns(pinball)
    return answers.select(pl.concat_list(several) if several else "prediction").to_series()


def find_outputs(
    definition: Definition, booster: lightgbm.Booster, rows: pl.DataFrame, predicted: Array
) -> NDArray[np.intp]:
    """Say of each row which output to explain: the likeliest class, or the middle quantile.

    Where quantiles crossed and were put in order, that is the one whose value came to the middle.
    """
    if definition.pinball and len(rows):
        places = np.argsort(booster.predict(rows), axis=1, kind="stable")
        return np.asarray(places[:, definition.pinball.middle])
    if predicted.ndim == 2 and not definition.pinball:
        return np.asarray(predicted.argmax(axis=1))
    return np.zeros(len(rows), np.intp)


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
