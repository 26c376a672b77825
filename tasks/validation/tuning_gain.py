"""What tuning gained: tuned against untuned parameters, once, on the holdout that neither saw.

The slices that chose the parameters flatter them. Not responsible for the choice, in which this has
no say: the gate judges the tuned candidate as any other.
"""

from pathlib import Path

from tasks.core.model_sections import Metric
from tasks.evaluation.evaluate import Scored, predict_holdout
from tasks.evaluation.interval import Interval, describe_gain
from tasks.extraction.run_plan import Plan
from tasks.preparation.split import Prepared
from tasks.training.train import read_model, train_models
from tasks.validation.champion_comparison import compare_pair, pair_predictions


def measure_tuning(plan: Plan, prepared: Prepared, scored: Scored, folder: Path) -> Interval:
    """Train by the definition's own parameters too, and bootstrap by how much tuning is better."""
    folder.mkdir()
    untuned = read_model(train_models(plan, prepared, folder).twin.read_text("utf-8"))
    (predicted,) = predict_holdout(plan, prepared, untuned)
    pair = pair_predictions(plan.definition, scored.read(), predicted)
    return compare_pair(plan.definition, plan.definition.metric, pair)


def describe_tuning(metric: Metric, gain: Interval | None) -> str:
    """Say what tuning gained, in words."""
    if gain is None:
        return "tuning found nothing better than the definition's own parameters, and took these"
    sure = "" if gain.low > 0 or gain.high < 0 else ", which may be chance"
    return (
        f"tuned against the definition's own parameters, {metric} on the holdout is "
        f"{describe_gain(gain)}{sure}"
    )
