"""Deviances: the losses of counts and amounts, by the objective that [training.params] set.

Responsible for which objective has which deviance and variance power (McCullagh and Nelder 1989),
and for what their targets may be. Not responsible for computing them (`evaluation.metrics`), nor
for LightGBM's other parameters.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

DevianceMetric = Literal["poisson_deviance", "gamma_deviance", "tweedie_deviance"]

OBJECTIVE = ("objective", "objective_type", "app", "application", "loss")  # all of LightGBM's names
POWER = "tweedie_variance_power"
_USUAL_POWER = 1.5  # LightGBM's own


class Deviance(NamedTuple):
    """A deviance, and the power of the mean that the variance goes by: 1 of counts, 2 of amounts.

    Where the power is 2, 0 has no deviance.
    """

    metric: DevianceMetric
    power: float

    @property
    def objective(self) -> str:
        return self.metric.removesuffix("_deviance")

    @property
    def takes_zero(self) -> bool:
        return self.power < 2


DEVIANCES: dict[str, Deviance] = {
    "poisson": Deviance("poisson_deviance", 1.0),
    "gamma": Deviance("gamma_deviance", 2.0),
    "tweedie": Deviance("tweedie_deviance", _USUAL_POWER),
}


def find_deviance(params: Mapping[str, bool | int | float | str]) -> Deviance | None:
    """Find the deviance of an objective, None where it has none.

    >>> find_deviance({"app": "tweedie", "tweedie_variance_power": 1.2})
    Deviance(metric='tweedie_deviance', power=1.2)
    """
    given = [str(params[name]) for name in OBJECTIVE if name in params]
    found = DEVIANCES.get(given[0]) if given else None
    if found is not None and found.objective == "tweedie":
        power = params.get(POWER, _USUAL_POWER)
        return found._replace(power=float(power)) if isinstance(power, int | float) else found
    return found
