"""What checks, metrics and slices are called in reports."""

from tasks.core.checks import Check
from tasks.core.model_sections import HIGHER_IS_BETTER, Metric
from tasks.core.units import unit_of
from tasks.evaluation.slice_metrics import Slice

CHECKS = {
    "holdout_rows": "Enough holdout rows",
    "beats_baseline": "Better than the baseline",
    "beats_baseline_on_loss": "Better than the baseline on its loss",
    "beats_simple_model": "Better than a simple model",
    "calibrated": "Predictions are calibrated",
    "champion_is_comparable": "Can be compared with the champion",
    "not_worse_than_champion": "Not worse than the champion",
    "second_metric": "No loss on the second metric",
    "calibration": "As well calibrated as the champion",
    "slices": "No slice is worse off",
    "coverage": "Intervals hold as many rows as asked for",
    "coverage_of_slices": "Intervals hold enough rows of each slice",
    "quantiles": "As many rows lie below each quantile as it promises",
    "quantiles_of_slices": "So it is in each slice",
    "plausible": "Not too good to be true",
}
METRICS: dict[Metric, tuple[str, str]] = {
    "auc": ("AUC", "how often a positive row ranks above a negative one; 0.5 is guessing"),
    "log_loss": ("Log loss", "how far probabilities are from the truth; sure and wrong costs most"),
    "brier": ("Brier score", "mean squared distance of probabilities from the truth"),
    "accuracy": ("Accuracy", "share of rows that are classified right"),
    "average_precision": (
        "Average precision",
        "precision, averaged over recall; the share of positives is guessing",
    ),
    "precision": ("Precision", "share of those called positive that are"),
    "recall": ("Recall", "share of positives that are called so"),
    "f1": ("F1", "precision and recall in one number, their harmonic mean"),
    "cost": ("Cost per 1,000 rows", "what false alarms and missed positives come to, as defined"),
    "macro_f1": ("Macro F1", "precision and recall in one number, every class counting alike"),
    "mae": ("MAE", "mean size of an error, in the target's unit"),
    "rmse": ("RMSE", "as MAE, but large errors weigh more"),
    "poisson_deviance": ("Poisson deviance", "how far predicted counts are from the true ones"),
    "gamma_deviance": ("Gamma deviance", "how far amounts are off, as shares of what is predicted"),
    "tweedie_deviance": ("Tweedie deviance", "how far amounts, many of them 0, are from the truth"),
    "pinball_loss": ("Pinball loss", "how far quantiles are off, each side as its level weighs it"),
    "coverage_error": ("Coverage error", "how far the shares of rows below quantiles are off"),
    "r2": ("R²", "share of the target's variance explained; 0 is predicting the mean"),
}
METRIC_NAMES = {str(metric): name for metric, (name, _) in METRICS.items()}


def name_check(check: Check) -> str:
    """Name a check of the gate; one that is not listed above by its own name."""
    for side in ("at_least", "at_most"):
        metric, found, rest = check.name.partition(f"_{side}")
        if found:
            return f"{METRIC_NAMES[metric]} {side} {rest}".replace("_", " ").strip()
    return CHECKS.get(check.name, check.name.replace("_", " ").capitalize())


def name_metric(metric: Metric, unit: str | None = None) -> str:
    """Name a metric, with an arrow in the direction that is better, and its unit if it has one.

    >>> name_metric("auc"), name_metric("log_loss"), name_metric("mae", "minutes")
    ('AUC ↑', 'Log loss ↓', 'MAE ↓ (minutes)')
    """
    arrow = "↑" if metric in HIGHER_IS_BETTER else "↓"
    return f"{METRICS[metric][0]} {arrow}{unit_of(metric, unit)}"


def name_slice(each: Slice) -> str:
    return f"{each.slice} = {each.level}"
