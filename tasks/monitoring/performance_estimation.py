"""Performance estimation: the metrics to expect of predictions before their labels are known.

CBPE (confidence-based performance estimation, NannyML) on recalibrated probabilities: a calibrated
probability says how often it is wrong, and the expected metrics follow. It sees a change of the
inputs, but not a change of what inputs mean (concept drift): so estimates are compared with the
ground truth once there is some. A regression's error is that of the holdout for near predictions.
"""

import numpy as np
from scipy.special import expit, logit  # type: ignore[import-untyped]

from tasks.core.definition import Definition, Frozen
from tasks.core.model_sections import Metric
from tasks.core.pinball import take_middle
from tasks.evaluation.metrics import Array, from_sums, measure_one, row_losses
from tasks.evaluation.recalibration_methods import fit_line

_SURE = 1e-6  # a probability of 0 or 1 has no odds
_SHARPNESS = np.geomspace(0.25, 4, 81)
_BINS = 20


class Estimator(Frozen):
    """How a model's predictions are recalibrated, fitted on its holdout.

    Log odds become `slope` * log odds + `intercept` (Platt scaling). For regression, `squares` and
    `sizes` are the mean squared and absolute error between the `edges` of predictions, and
    `deviances` the mean of its own loss, where it has one: a deviance, or pinball.
    """

    slope: float = 1.0
    intercept: float = 0.0
    edges: tuple[float, ...] = ()
    squares: tuple[float, ...] = ()
    sizes: tuple[float, ...] = ()
    deviances: tuple[float, ...] = ()


def fit_estimator(definition: Definition, target: Array, predicted: Array) -> Estimator:
    """Fit the recalibration on holdout rows.

    `target` has shape (rows,); `predicted` too, or (rows, classes) for several classes, or
    (rows, levels) for quantiles.
    """
    kind = definition.target.kind
    if kind == "binary":
        slope, intercept = fit_line(logit(np.clip(predicted, _SURE, 1 - _SURE)), target)
        return Estimator(slope=slope, intercept=intercept)
    if kind == "multiclass":
        losses = [
            row_losses("log_loss", target, _sharpen(predicted, each)).mean() for each in _SHARPNESS
        ]
        return Estimator(slope=float(_SHARPNESS[int(np.argmin(losses))]))
    own_loss, predictions = definition.own_loss, predicted
    predicted = take_middle(definition.pinball, predictions)
    edges = np.unique(np.quantile(predicted, np.linspace(0, 1, _BINS + 1)[1:-1]))
    place, error = np.searchsorted(edges, predicted, side="right"), predicted - target
    count = np.maximum(np.bincount(place, minlength=len(edges) + 1), 1)
    rest = [row_losses(own_loss.metric, target, predictions, own_loss=own_loss)] if own_loss else []
    squares, sizes, *deviances = (
        tuple(np.bincount(place, weights=each, minlength=len(edges) + 1) / count)
        for each in (error**2, np.abs(error), *rest)
    )
    return Estimator(
        edges=tuple(edges), squares=squares, sizes=sizes, deviances=deviances[0] if rest else ()
    )


def estimate_metrics(
    definition: Definition, estimator: Estimator, predicted: Array
) -> dict[Metric, float]:
    """Estimate each metric that can be estimated; the share of variance explained cannot."""
    kind = definition.target.kind
    if not len(predicted):
        return {}
    if kind == "binary":
        return _expect_binary(definition, estimator, predicted)
    if kind == "multiclass":
        return _expect_classes(_sharpen(predicted, estimator.slope), predicted)
    predicted = take_middle(definition.pinball, predicted)
    place = np.searchsorted(np.array(estimator.edges), predicted, side="right")
    expected: dict[Metric, float] = {
        "rmse": float(np.sqrt(np.array(estimator.squares)[place].mean())),
        "mae": float(np.array(estimator.sizes)[place].mean()),
    }
    if definition.own_loss:
        expected[definition.own_loss.metric] = float(np.array(estimator.deviances)[place].mean())
    if definition.pinball:
        return {definition.pinball.metric: expected[definition.pinball.metric]}
    return expected


def calibrate_chances(estimator: Estimator, predicted: Array) -> Array:
    """Recalibrate a binary model's probabilities, shape (rows,).

    >>> calibrate_chances(Estimator(intercept=1.0), np.array([0.5])).round(3)
    array([0.731])
    """
    odds = logit(np.clip(predicted, _SURE, 1 - _SURE))
    return np.asarray(expit(estimator.slope * odds + estimator.intercept))


def _expect_binary(
    definition: Definition, estimator: Estimator, predicted: Array
) -> dict[Metric, float]:
    chance, threshold = calibrate_chances(estimator, predicted), definition.threshold
    # All are made of counts of what comes true: of chances they are the counts to expect.
    counted: tuple[Metric, ...] = ("auc", "average_precision", "precision", "recall", "f1")
    expected = {metric: measure_one(metric, chance, predicted, threshold) for metric in counted}
    if costs := definition.constant_costs:
        expected["cost"] = measure_one("cost", chance, predicted, threshold, costs=costs)
    metrics: tuple[Metric, ...] = ("log_loss", "brier", "accuracy")
    for metric in metrics:
        true, false = (
            row_losses(metric, np.full(len(predicted), each), predicted, threshold)
            for each in (1.0, 0.0)
        )
        expected[metric] = float((chance * true + (1 - chance) * false).mean())
    return expected


def _expect_classes(chances: Array, predicted: Array) -> dict[Metric, float]:
    rows, classes = predicted.shape
    chosen = predicted.argmax(axis=1)
    hits = np.bincount(chosen, weights=chances[np.arange(rows), chosen], minlength=classes)
    told, true = np.bincount(chosen, minlength=classes), chances.sum(axis=0)
    losses = [
        chances[:, each] * row_losses("log_loss", np.full(rows, each), predicted)
        for each in range(classes)
    ]
    sums = np.concatenate([hits, told, true])[None, :]
    return {
        "log_loss": float(np.sum(losses, axis=0).mean()),
        "accuracy": float(chances[np.arange(rows), chosen].mean()),
        "macro_f1": float(from_sums("macro_f1", sums)[0]),
    }


def _sharpen(chances: Array, power: float) -> Array:
    raised = np.maximum(chances, _SURE) ** power
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))
