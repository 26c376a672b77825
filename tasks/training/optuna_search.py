"""Which parameters are searched, between which limits, and what Optuna proposes to try next.

Not responsible for training (`tuning`): it is told what was tried, and the losses.
"""

from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tasks.core.definition import Frozen
from tasks.core.errors import DefinitionError
from tasks.training.datasets import Parameters

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial
    from optuna.trial import Trial as AskedTrial

_RANDOM_TRIALS, _UNPRUNED_TRIALS = 8, 4


class Limits(NamedTuple):
    """Between which values a parameter is searched; `usual` is what LightGBM takes by itself."""

    low: float
    high: float
    usual: float
    scale: str = "linear"
    whole: bool = False


SPACE = {
    "learning_rate": Limits(0.02, 0.2, 0.1, "log"),
    "num_leaves": Limits(7, 255, 31, "log", whole=True),
    "min_data_in_leaf": Limits(5, 1000, 20, "log", whole=True),
    "feature_fraction": Limits(0.3, 1.0, 1.0),
    "bagging_fraction": Limits(0.5, 1.0, 1.0),
    "lambda_l2": Limits(0.001, 100.0, 0.0, "log"),
}


class Trial(Frozen):
    """What one trial set otherwise than the definition does, and its loss on each slice.

    A trial that does worse than most is pruned: the slices that are left are not tried.
    """

    params: Parameters
    losses: tuple[float, ...]
    pruned: bool = False

    @property
    def loss(self) -> float:
        return sum(self.losses) / len(self.losses)


def tuner() -> dict[str, str]:
    """Name the package that proposes trials, with its version; DefinitionError without it."""
    try:
        return {"optuna": version("optuna")}
    except PackageNotFoundError:
        raise DefinitionError(
            "--tune needs optuna, which is not installed; run `make tune` or "
            "`pip install perennial-ml[tune]`"
        ) from None


def propose(params: Parameters, done: Sequence[Trial], seed: int) -> "AskedTrial":
    """Ask Optuna what to try after these trials.

    A study of its own for each trial makes it repeatable: it hangs on those before it alone,
    whether or not the run was killed in between.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    limits = _settle_limits(params)
    distributions: dict[str, BaseDistribution] = {
        name: optuna.distributions.IntDistribution(int(each.low), int(each.high), log=True)
        if each.whole
        else optuna.distributions.FloatDistribution(each.low, each.high, log=each.scale == "log")
        for name, each in limits.items()
    }
    study = optuna.create_study(
        sampler=optuna.samplers.TPESampler(seed=seed + len(done), n_startup_trials=_RANDOM_TRIALS),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=_UNPRUNED_TRIALS),
    )
    study.add_trials([_recall_trial(limits, distributions, params, each) for each in done])
    return study.ask(distributions)


def _recall_trial(
    limits: Mapping[str, Limits],
    distributions: dict[str, "BaseDistribution"],
    params: Parameters,
    trial: Trial,
) -> "FrozenTrial":
    from optuna.trial import TrialState, create_trial

    values = {name: each.usual for name, each in limits.items()} | params | trial.params
    means = np.cumsum(trial.losses) / np.arange(1, len(trial.losses) + 1)
    return create_trial(
        state=TrialState.PRUNED if trial.pruned else TrialState.COMPLETE,
        params={name: _move_inside(each, values[name]) for name, each in limits.items()},
        distributions=distributions,
        intermediate_values=dict(enumerate(map(float, means), 1)),
        value=trial.loss,
    )


def _settle_limits(params: Parameters) -> dict[str, Limits]:
    """Widen the limits to what the definition itself sets; leave out what does not go with it."""
    sampling = {str(params.get(name)) for name in ("boosting", "data_sample_strategy")}
    found = {}
    for name, each in SPACE.items():
        if name == "bagging_fraction" and sampling & {"goss", "rf"}:
            continue
        given = float(params.get(name, each.usual))
        low = min(each.low, given) if given > 0 else each.low  # a logarithm has no place for 0
        found[name] = each._replace(low=low, high=max(each.high, given))
    return found


def _move_inside(limits: Limits, value: bool | int | float | str) -> float:
    inside = min(max(float(value), limits.low), limits.high)
    return round(inside) if limits.whole else inside


def complete_parameters(params: Parameters, asked: Mapping[str, Any]) -> Parameters:
    """Give what a trial sets; a share of the rows has no effect without how often it is drawn."""
    often = {"bagging_freq": 1} if "bagging_fraction" in asked else {}
    return {**asked, **{name: value for name, value in often.items() if name not in params}}
