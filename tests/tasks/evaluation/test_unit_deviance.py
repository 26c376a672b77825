"""The deviance of a row is scikit-learn's, and finite whatever was predicted."""

import numpy as np
import pytest
from sklearn.metrics import mean_tweedie_deviance

from tasks.evaluation.unit_deviance import unit_deviance


@pytest.mark.parametrize("power", [1.0, 1.3, 1.99, 2.0])
def test_deviance_of_each_row_is_that_of_scikit_learn(power: float) -> None:
    random = np.random.default_rng(1)
    target, mean = random.gamma(1.0, 3.0, (2, 50)) + 0.01
    wanted = [
        mean_tweedie_deviance([one], [other], power=power)
        for one, other in zip(target, mean, strict=True)
    ]
    np.testing.assert_allclose(unit_deviance(target, mean, power), wanted, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("power", [1.0, 1.3, 2.0])
def test_deviance_of_what_such_a_model_never_predicts_is_large_and_finite(power: float) -> None:
    found = unit_deviance(np.array([1.0]), np.array([0.0]), power)
    assert np.isfinite(found).all()
    assert found[0] > 50
