"""What is said beside predictions: labels, intervals or quantiles, and under which name.

Not responsible for predicting intervals (`interval_predictor`).
"""

from collections.abc import Sequence
from typing import Any

from bentos.lightgbm_predictor import Array
from tasks.core.definition import Definition


def name_told(definition: Definition, many: bool = False) -> str:
    """Name what is told beside a prediction, or beside many."""
    if definition.pinball:
        return "quantiles"
    name = "label" if definition.serving.interval is None else "interval"
    return f"{name}s" if many else name


def label(definition: Definition, classes: Sequence[str], predicted: Array) -> list[Any] | None:
    """Say what predictions mean: above the threshold, the likeliest class, or all quantiles."""
    if definition.pinball:
        return list(predicted.tolist())
    if definition.target.kind == "regression":
        return None
    if predicted.ndim == 1:
        return list((predicted >= definition.threshold).tolist())
    return [classes[place] for place in predicted.argmax(axis=1)]
