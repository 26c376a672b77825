"""Unit deviances: how far each row's count or amount lies from its prediction.

By hand, row by row, because a bootstrap weighs rows anew: scikit-learn is the oracle in the tests.
Not responsible for which deviance a model has (`core.deviances`).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy  # type: ignore[import-untyped]

from tasks.core.deviances import DEVIANCES, Deviance
from tasks.core.model_sections import Metric
from tasks.core.pinball import OwnLoss

Array = NDArray[Any]
POWERS: dict[Metric, float] = {each.metric: each.power for each in DEVIANCES.values()}
_SMALLEST = float(np.finfo(np.float64).eps)


def power_of(metric: Metric, own_loss: OwnLoss | None) -> float:
    """Give the power of a deviance: of the model's own loss, or else the usual one."""
    return own_loss.power if isinstance(own_loss, Deviance) else POWERS[metric]


def unit_deviance(target: Array, predicted: Array, power: float) -> Array:
    """Compute each row's deviance, of a variance that goes by a power (1 to 2) of the mean.

    What is no prediction of such a model, 0 or less, is taken as next to nothing: its deviance is
    large, not infinite.
    """
    mean = np.maximum(predicted, _SMALLEST)
    if power == 1:
        return np.asarray(2 * (xlogy(target, target / mean) - target + mean))
    if power == 2:
        ratio = np.maximum(target, _SMALLEST) / mean
        return np.asarray(2 * (ratio - np.log(ratio) - 1))
    one, two = 1 - power, 2 - power
    own = np.maximum(target, 0) ** two / (one * two)
    return np.asarray(2 * (own - target * mean**one / one + mean**two / two))
