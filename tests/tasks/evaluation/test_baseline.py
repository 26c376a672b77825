"""The baseline of quantiles is what training rows say on the whole."""

from pathlib import Path

import numpy as np
from quantiles import LEVELS, prepare_quantiles
from tables import Project

from tasks.core.columns import TARGET
from tasks.core.pinball import Pinball
from tasks.evaluation.baseline import find_quantiles, predict_baseline
from tasks.preparation.split import SplitRole


def test_baseline_is_the_quantiles_of_training_rows(made: Project, tmp_path: Path) -> None:
    plan, _, prepared = prepare_quantiles(made)
    rows = prepared.scan(SplitRole.FIT, SplitRole.STOP).collect()[TARGET].to_numpy()
    wanted = np.quantile(rows, LEVELS, method="inverted_cdf")
    assert predict_baseline(plan, prepared, 3).tolist() == [wanted.tolist()] * 3


def test_rows_count_by_their_weights() -> None:
    target, weights = np.array([1.0, 2.0, 3.0]), np.array([8.0, 1.0, 1.0])
    found = find_quantiles(target, Pinball((0.5, 0.85)), weights)
    assert found.tolist() == [1, 2]
