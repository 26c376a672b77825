"""What a chart shows, in words."""

from tasks.evaluation.calibration import Bin
from tasks.reports.chart_findings import (
    tell_bins,
    tell_learning,
    tell_precision,
    tell_ranking,
    tell_residuals,
    tell_roc,
)

ROC = {"false_positive_rate": [0.0, 1.0], "true_positive_rate": [0.0, 1.0]}
BAND = {"low": [0.0, 0.8], "high": [0.2, 1.0]}


def test_curves_are_read_at_some_places_with_their_interval_where_known() -> None:
    assert "; 50% at 50%; " in tell_roc(ROC)
    assert "; 50% at 50% (40% to 60%); " in tell_roc(ROC | BAND)
    assert "10% at 10%" in tell_precision({"recall": [0.0, 1.0], "precision": [0.0, 1.0]})


def test_bins_are_shares_or_values() -> None:
    bins = [Bin(rows=10, predicted=0.251, observed=0.5)]
    assert tell_bins(bins, True).endswith("25%: 50%")
    assert tell_bins(bins, False).endswith("0.251: 0.5")


def test_a_loss_is_told_by_its_fall_and_errors_by_their_spread() -> None:
    told = tell_learning([0.7, 0.5, 0.6], 2)
    assert told == "Loss by round: from 0.7000 down to 0.5000; 2 rounds were taken"
    bands = {name: [1.0, 2.0] for name in ("predicted", "q10", "q50", "q90")}
    assert tell_residuals(bands).endswith(
        "at 1, 1 (80% within 1 to 1); at 2, 2 (80% within 2 to 2)"
    )


def test_a_ranking_is_told_by_its_first() -> None:
    named = [(name, "1%") for name in "abcde"]
    assert tell_ranking("Features", named) == "Features: a 1%; b 1%; c 1%; and 2 more"
