"""Superiority: that a candidate is better than a simpler prediction, by the whole interval.

Not responsible for what the simpler prediction is, nor for champions, who need only be equalled.
"""

from tasks.core.checks import Check
from tasks.core.definition import Definition
from tasks.core.model_sections import Metric
from tasks.evaluation.evaluate import measure_rows
from tasks.evaluation.interval import describe_gain
from tasks.validation.champion_comparison import PairedPredictions, compare_pair


def judge_better(
    definition: Definition, name: str, pair: PairedPredictions, metric: Metric | None = None
) -> Check:
    """Ask that the candidate is better, by the whole of its interval."""
    metric = metric or definition.metric
    gain = compare_pair(definition, metric, pair)
    ours, theirs = (
        measure_rows(definition, pair.rows, each)[metric] for each in (pair.ours, pair.theirs)
    )
    return Check(
        name=name,
        passed=gain.low > 0,
        detail=f"{metric} {ours:.4f} against {theirs:.4f}: {describe_gain(gain)}; "
        "all of that must be above 0",
        numbers=gain.model_dump(),
    )
