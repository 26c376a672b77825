"""A rare class in a report: precision and recall come first, and accuracy last."""

from tasks.core.model_sections import Metric
from tasks.reports.formatting import format_score
from tasks.validation.candidate import Candidate

_RARE = 0.1  # with fewer positives, accuracy and the ROC curve say little


def is_rare(candidate: Candidate) -> bool:
    """Tell whether positives are so few that precision and recall come first."""
    share = share_of_positives(candidate)
    return candidate.plan.definition.target.kind == "binary" and share < _RARE


def order_metrics(candidate: Candidate) -> list[Metric]:
    """Order metrics as they are read: of a rare class by precision and recall first."""
    measured = list(candidate.evaluation.metrics["holdout"])
    if not is_rare(candidate):
        return measured
    first: list[Metric] = ["average_precision", "precision", "recall", "f1"]
    return [*first, *(each for each in measured if each not in (*first, "accuracy")), "accuracy"]


def tell_of_rare(candidate: Candidate) -> str:
    """Say what a share of positives makes of accuracy, and how many are found."""
    share, scores = share_of_positives(candidate), candidate.evaluation.metrics["holdout"]
    threshold = candidate.plan.definition.threshold
    rare = f"Only {share:.3g} of the rows are positive, so that always saying no is right in"
    found = (
        f"{rare} {1 - share:.3%}: average precision ({format_score(scores['average_precision'])}) "
        f"says more than accuracy. From a probability of {threshold:g} on"
    )
    if not scores["recall"]:
        return f"{found}, no positive is found: a lower [serving] threshold finds some."
    return (
        f"{found}, {scores['recall']:.1%} are found, and {scores['precision']:.1%} of alarms are."
    )


def share_of_positives(candidate: Candidate) -> float:
    """Give the share of positives on the holdout; of other kinds the mean of what came true."""
    bins = candidate.evaluation.calibration
    return sum(each.counts * each.observed for each in bins) / sum(each.counts for each in bins)
