"""The gate's look at [training] folds: no stretch of time may be surely worse than a bound.

Not responsible for how folds are made and measured (`evaluation.rolling_origin`).
"""

from collections.abc import Iterator

from tasks.core.checks import Check
from tasks.core.definition import Definition
from tasks.core.model_sections import HIGHER_IS_BETTER
from tasks.evaluation.rolling_origin import Fold


def judge_folds(definition: Definition, folds: tuple[Fold, ...]) -> Iterator[Check]:
    """Ask that no fold is beyond [gate] worst_fold by the whole of its interval."""
    bound, metric = definition.gate.worst_fold, definition.metric
    if bound is None or not folds:
        return
    sign = 1 if metric in HIGHER_IS_BETTER else -1
    worst = min(folds, key=lambda fold: sign * fold.metrics[metric])
    best_ends = [each.interval.high if sign > 0 else each.interval.low for each in folds]
    sunk = sum(sign * (end - bound) < 0 for end in best_ends)
    reach = f"{worst.interval.low:.4f} to {worst.interval.high:.4f}"
    yield Check(
        name="worst_fold",
        passed=not sunk,
        detail=f"{metric} {worst.metrics[metric]:.4f} (interval {reach}) in the worst of "
        f"{len(folds)} folds, {worst.start:%Y-%m-%d} to {worst.end:%Y-%m-%d}; refused if all of "
        f"an interval is {'below' if sign > 0 else 'above'} {bound:g}: {sunk} are",
        numbers={
            "metric": worst.metrics[metric],
            "bound": bound,
            "folds": len(folds),
            "sunk": sunk,
        },
    )
