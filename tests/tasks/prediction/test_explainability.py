"""Models whose contributions are wrong, or none, are told by their text."""

import lightgbm
import numpy as np
import pytest

from tasks.prediction.explainability import find_unexplained


@pytest.mark.parametrize(
    ("params", "why"),
    [
        ({"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5}, "averaged"),
        ({"linear_tree": True}, "no linear trees"),
        ({"boosting": "dart"}, ""),
    ],
)
def test_what_lightgbm_cannot_explain_is_told(params: dict[str, object], why: str) -> None:
    chance = np.random.default_rng(0)
    x = chance.normal(size=(200, 2))
    data = lightgbm.Dataset(x, x[:, 0] * 2 + x[:, 1])
    booster = lightgbm.train({"verbosity": -1, "num_threads": 1, **params}, data, 3)
    told = find_unexplained(booster.model_to_string())
    assert why in told
    assert bool(told) == bool(why)
