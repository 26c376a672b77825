"""The gate's check of slices: no group of rows may be surely worse off than with the champion.

Not responsible for the comparison itself (`champion_comparison`).
"""

from tasks.core.checks import Check
from tasks.core.definition import Definition
from tasks.core.wording import list_few
from tasks.evaluation.row_metrics import loss_metric
from tasks.validation.champion_comparison import PairedPredictions, compare_slices

NO_SLICES = "no slice is named, or has rows enough to be judged"
_NAMED = 3


def judge_slices(definition: Definition, pair: PairedPredictions) -> Check:
    """Ask that no slice is surely worse, by more than a share of the champion's loss on it."""
    compared = compare_slices(definition, pair)
    gains = dict(sorted(compared.items(), key=lambda pair: pair[1][0].value))
    sunk = [name for name, (gain, allowed) in gains.items() if gain.high < -allowed]
    worst = next(iter(gains), "")
    detail = f"none of {len(gains)} slices is surely worse" if gains else NO_SLICES
    if sunk:
        loss = loss_metric(definition).replace("rmse", "squared error")
        named = list_few([f"{name} (by {-gains[name][0].value:.4f})" for name in sunk], _NAMED)
        detail = f"of {len(gains)} slices, {loss} is surely worse on {named}"
    by = gains[worst][0].value if gains else 0.0
    return Check(
        name="slices",
        passed=not sunk,
        detail=detail,
        numbers={"slices": len(gains), "worse": len(sunk), "lowest": worst, "by": by},
    )
