"""What tuning gained: tuned against untuned parameters, once, on the holdout that neither saw.

The slices that chose the parameters flatter them. Not responsible for the choice, in which this has
no say: the gate judges the tuned candidate as any other.
"""

from pathlib import Path

from tasks.core.model_sections import Metric
from tasks.evaluation.decision_threshold import settle_threshold
from tasks.evaluation.evaluate import Evaluation, Scored, predict_holdout
from tasks.evaluation.interval import Interval, describe_gain
from tasks.evaluation.recalibrate import apply_chosen, settle_recalibration
from tasks.extraction.run_plan import Plan
from tasks.preparation.split import Prepared
from tasks.training.train import read_model, train_models
from tasks.validation.champion_comparison import compare_pair, pair_predictions


def measure_tuning(
    plan: Plan, prepared: Prepared, evaluation: Evaluation, scored: Scored, folder: Path
) -> Interval:
    """Train by the definition's own parameters too, and bootstrap by how much tuning is better.

    That model is recalibrated as it needs, and chooses a threshold of its own, as the tuned one
    did by its `evaluation`.
    """
    folder.mkdir()
    trained = train_models(plan, prepared, folder)
    (raw,) = predict_holdout(plan, prepared, read_model(trained.twin.read_text("utf-8")))
    found = settle_recalibration(plan, prepared, trained)
    _, own = settle_threshold(plan, prepared, trained, found)
    definition = plan.definition.settle(evaluation.chosen_threshold)
    rows, predicted = scored.read(), apply_chosen(found, raw)
    pair = pair_predictions(definition, rows, predicted, own.threshold if own else None)
    return compare_pair(definition, definition.metric, pair)


def describe_tuning(metric: Metric, gain: Interval | None) -> str:
    """Say what tuning gained, in words."""
    if gain is None:
        return "tuning found nothing better than the definition's own parameters, and took these"
    sure = "" if gain.low > 0 or gain.high < 0 else ", which may be chance"
    return (
        f"tuned against the definition's own parameters, {metric} on the holdout is "
        f"{describe_gain(gain)}{sure}"
    )
