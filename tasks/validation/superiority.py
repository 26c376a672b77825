"""Superiority: that a candidate is better than a simpler prediction, by the whole interval.

Not responsible for what the simpler prediction is, nor for champions, who need only be equalled.
"""

from tasks.core.checks import Check
from tasks.core.definition import Definition
from tasks.core.model_sections import Metric
from tasks.core.units import unit_of
from tasks.evaluation.interval import describe_gain
from tasks.evaluation.row_metrics import measure_rows
from tasks.validation.champion_comparison import PairedPredictions, compare_pair
from tasks.validation.moved_rate import OF_PROBABILITIES, MovedRate


def judge_better(
    definition: Definition,
    name: str,
    pair: PairedPredictions,
    metric: Metric | None = None,
    moved: MovedRate | None = None,
) -> Check:
    """Ask that the candidate is better, by the whole of its interval.

    Where it is not surely worse either, a base rate that moved is taken off of both.
    """
    metric = metric or definition.metric
    stands = _compare(definition, name, pair, metric)
    unsure = not stands.passed and float(stands.numbers["high"] or 0) >= 0
    if moved is None or metric not in OF_PROBABILITIES or not unsure:
        return stands
    return moved.forgive(stands, _compare(definition, name, moved.take_off(pair), metric))


def _compare(definition: Definition, name: str, pair: PairedPredictions, metric: Metric) -> Check:
    gain = compare_pair(definition, metric, pair)
    ours, theirs = (
        measure_rows(definition, pair.rows, each)[metric] for each in (pair.ours, pair.theirs)
    )
    named = f"{metric}{unit_of(metric, definition.target.unit)}"
    return Check(
        name=name,
        passed=gain.low > 0,
        detail=f"{named} {ours:.4f} against {theirs:.4f}: {describe_gain(gain)}; "
        "all of that must be above 0",
        numbers=gain.model_dump(),
    )
