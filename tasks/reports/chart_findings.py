"""What each chart of a candidate shows, in words: the text that a screen reader says instead.

Not responsible for captions, which say how a chart is read (`candidate_charts`).
"""

from collections.abc import Iterable, Sequence

import numpy as np

from tasks.core.wording import list_few
from tasks.evaluation.calibration import Bin
from tasks.reports.chart_rendering import Points
from tasks.reports.formatting import format_number, format_score

_PLACES = (0.1, 0.25, 0.5, 0.75, 0.9)
_NAMED = 3


def tell_roc(curve: Points) -> str:
    """Say which share of positives is found for some shares of false alarms."""
    read = _read(curve, "false_positive_rate", "true_positive_rate")
    return "ROC curve. Positives found by false positive rate: " + read


def tell_precision(curve: Points) -> str:
    """Say how precise alarms are at some recalls."""
    return "Precision by recall: " + _read(curve, "recall", "precision")


def tell_bins(bins: Sequence[Bin], shares: bool) -> str:
    """Say what was predicted and what came true, bin by bin."""

    def write(value: float) -> str:
        return f"{value:.0%}" if shares else format_number(value)

    pairs = "; ".join(f"{write(each.predicted)}: {write(each.observed)}" for each in bins)
    return f"Calibration. Observed by predicted: {pairs}"


def tell_learning(losses: Sequence[float], rounds: int) -> str:
    """Say how far the loss fell, and where it was stopped."""
    first, least = format_score(losses[0]), format_score(min(losses))
    return f"Loss by round: from {first} down to {least}; {rounds} rounds were taken"


def tell_residuals(bands: Points) -> str:
    """Say how errors spread at the lowest, the middle and the highest predictions."""
    count = len(bands["predicted"])
    said = [
        f"at {format_number(bands['predicted'][place])}, {format_number(bands['q50'][place])} "
        f"(80% within {format_number(bands['q10'][place])} to {format_number(bands['q90'][place])})"
        for place in sorted({0, count // 2, count - 1})
    ]
    return f"Residuals. Median observed minus predicted: {'; '.join(said)}"


def tell_ranking(title: str, named: Sequence[tuple[str, str]]) -> str:
    """Say what comes first in a ranking, and how much there is."""
    return f"{title}: {list_few([f'{name} {value}' for name, value in named], _NAMED, '; ')}"


def _read(curve: Points, x: str, y: str) -> str:
    return "; ".join(_read_at(curve, x, y, _PLACES))


def _read_at(curve: Points, x: str, y: str, places: Iterable[float]) -> Iterable[str]:
    for place in places:
        value, *ends = (
            float(np.interp(place, curve[x], curve[name]))
            for name in (y, *(each for each in ("low", "high") if each in curve))
        )
        sure = " ({:.0%} to {:.0%})".format(*ends) if ends else ""
        yield f"{value:.0%} at {place:.0%}{sure}"
