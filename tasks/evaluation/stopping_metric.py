"""Early stopping held against the gate: whether its own metric would have stopped elsewhere.

Early stopping watches a loss, and the gate may judge by another metric: AUC can go on rising where
log loss has turned. The model that was judged on the stopping slice is asked round by round. Not
responsible for stopping (`training.early_stopping`): nothing is changed, only told.
"""

from collections.abc import Iterator

import numpy as np

from tasks.core.definition import Frozen
from tasks.core.model_sections import HIGHER_IS_BETTER, Metric
from tasks.evaluation.metrics import error_of, measure_one
from tasks.evaluation.recalibrate import Recalibrated, apply_chosen
from tasks.evaluation.row_values import read_costs
from tasks.evaluation.stopping_slice import read_stopping_slice
from tasks.extraction.run_plan import Plan
from tasks.preparation.split import Prepared
from tasks.training.train import Trained

_MOST_ROWS, _LOOKS = 20_000, 25


class Disagreement(Frozen):
    """By the gate's metric, other rounds were better on the stopping slice, beyond its margin."""

    metric: Metric
    rounds: int
    value: float
    best_rounds: int
    best: float


def find_disagreement(
    plan: Plan, prepared: Prepared, trained: Trained, recalibrated: Recalibrated | None = None
) -> Disagreement | None:
    """Measure the gate's metric after some of the rounds; None where it agrees with the loss.

    Where the target moved, nothing is asked: there the slice's own level misleads any metric.
    """
    definition, metric = plan.definition, plan.definition.metric
    if not trained.curve or trained.moved or metric == definition.loss:
        return None
    kept = read_stopping_slice(plan, prepared, trained, _MOST_ROWS)
    if kept is None or len(np.unique(kept.target)) < 2:
        return None
    counted = kept.weights, read_costs(definition, kept.rows), definition.own_loss

    def measure(rounds: int) -> float:
        predicted = apply_chosen(recalibrated, kept.predict(rounds))
        return measure_one(metric, kept.target, predicted, definition.threshold, *counted)

    looks = {int(each) for each in np.linspace(1, len(trained.curve), _LOOKS)} | {trained.rounds}
    found = {rounds: measure(rounds) for rounds in sorted(looks)}
    sign = 1 if metric in HIGHER_IS_BETTER else -1
    best = max(found, key=lambda rounds: sign * found[rounds])
    ours, least = (error_of(metric, found[rounds]) for rounds in (trained.rounds, best))
    if ours - least <= definition.gate.margin * ours:
        return None
    return Disagreement(
        metric=metric,
        rounds=trained.rounds,
        value=found[trained.rounds],
        best_rounds=best,
        best=found[best],
    )


def tell_disagreement(found: Disagreement | None, loss: str) -> Iterator[str]:
    """Say it, and what to do about it."""
    if found is None:
        return
    yield (
        f"early stopping watches {loss} and took {found.rounds:,} rounds, but by {found.metric}, "
        f"which the gate judges by, {found.best_rounds:,} were better on the same slice "
        f"({found.best:.4f} against {found.value:.4f}): judge by {loss} ([gate] metric), or set "
        f"[training] rounds = {found.best_rounds} and early_stopping = 0"
    )
