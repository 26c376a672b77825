"""Points of plots, by rows that can be counted by hand."""

import numpy as np
from scored import definition_of

from tasks.evaluation.curves import count_hits, draw_curves


def test_tied_predictions_enter_a_curve_together() -> None:
    target = np.array([1.0, 0.0, 1.0, 0.0, 1.0, 0.0])
    hits, told = count_hits(target, np.array([0.9, 0.9, 0.5, 0.5, 0.5, 0.1]))
    assert (hits.tolist(), told.tolist()) == ([1, 3, 3], [2, 5, 6])


def test_each_kind_of_target_has_its_curves() -> None:
    target, predicted = np.array([0.0, 1.0, 1.0]), np.array([0.2, 0.4, 0.9])
    binary = draw_curves(definition_of(), (0.7, 0.6), target, predicted)
    assert binary["learning"] == {"round": (1.0, 2.0), "loss": (0.7, 0.6)}
    assert binary["roc"]["true_positive_rate"] == (0.5, 1.0, 1.0)
    assert binary["precision_recall"]["precision"][-1] == 2 / 3
    values = draw_curves(definition_of("regression"), (), target, predicted)
    assert set(values) == {"residuals"}
    assert set(values["residuals"]) == {"predicted", "q10", "q25", "q50", "q75", "q90"}
