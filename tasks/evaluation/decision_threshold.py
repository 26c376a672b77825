"""The threshold of a yes, chosen where the trees did not learn: on the stopping slice.

What is chosen is the threshold of the least expected cost, or, without costs, of the largest F1, by
the predictions of the model that early stopping judged there (recalibrated as the version is). Of
equal ones the highest is taken, which raises the fewest alarms. The holdout has no say; there the
choice is measured. Not responsible for who answers by it.
"""

import logging

import numpy as np

from tasks.core.definition import Frozen
from tasks.core.errors import DataRefused
from tasks.evaluation.metrics import Array, Costs
from tasks.evaluation.recalibrate import Recalibrated, apply_chosen
from tasks.evaluation.row_values import read_costs
from tasks.evaluation.stopping_slice import read_stopping_slice
from tasks.extraction.run_plan import Plan
from tasks.preparation.split import Prepared
from tasks.training.train import Trained

log = logging.getLogger("perennial.evaluation")

_FEWEST_OF_A_CLASS = 10
_MOST_ROWS = 200_000


class ChosenThreshold(Frozen):
    """A threshold, what it was chosen by, what it was worth there, and on how many rows."""

    threshold: float
    by: str
    value: float
    rows: int


def settle_threshold(
    plan: Plan, prepared: Prepared, trained: Trained, found: Recalibrated | None
) -> tuple[Plan, ChosenThreshold | None]:
    """Choose a threshold where the definition leaves it open, and give the plan that knows it."""
    if not plan.definition.chooses:
        return plan, None
    kept = read_stopping_slice(plan, prepared, trained, _MOST_ROWS)
    if kept is None:
        return plan, None
    positive, rows = int(kept.target.sum()), len(kept.rows)
    if min(positive, rows - positive) < _FEWEST_OF_A_CLASS:
        raise DataRefused(
            f"{plan.origin}: [serving] threshold: the stopping slice has {positive:,} positives in "
            f"{rows:,} rows, and a choice needs {_FEWEST_OF_A_CLASS} of each class; give more "
            "history, a larger [training] stopping_share, or a number"
        )
    predicted, costs = apply_chosen(found, kept.predict()), read_costs(plan.definition, kept.rows)
    chosen = choose_threshold(kept.target, predicted, kept.weights, costs)
    log.info("threshold %.4f, by %s %.4f", chosen.threshold, chosen.by, chosen.value)
    return plan.settle(chosen.threshold), chosen


def choose_threshold(
    target: Array, predicted: Array, weights: Array | None, costs: Costs | None
) -> ChosenThreshold:
    """Find the threshold of the least cost, or of the largest F1.

    >>> made = choose_threshold(np.array([0, 1, 1.0]), np.array([0.2, 0.4, 0.8]), None, None)
    >>> round(made.threshold, 2), made.by, made.value
    (0.3, 'f1', 1.0)
    """
    every = np.ones(len(target)) if weights is None else weights
    scores, place = np.unique(-predicted, return_inverse=True)  # from the highest down
    scores = -scores

    def add_up(values: Array) -> Array:
        return np.cumsum(np.bincount(place, values * every))

    if costs is None:
        found, told = add_up(target), add_up(np.ones(len(target)))
        worth, by = 2 * found / (told + found[-1]), "f1"
    else:
        false_alarm, missed = costs
        saved = add_up(target * missed)
        worth = saved[-1] - saved + add_up((1 - target) * false_alarm)
        worth, by = -1000 * worth / every.sum(), "cost"
    inside = (scores > 0) & (scores <= 1)
    best = int(np.argmax(np.where(inside, worth, -np.inf)))
    below = scores[best + 1] if best + 1 < len(scores) else 0.0
    middle = (scores[best] + below) / 2  # so that the last digit of a prediction does not decide
    return ChosenThreshold(
        threshold=float(middle if below < middle < 1 else scores[best]),
        by=by,
        value=float(abs(worth[best])),
        rows=len(target),
    )
