"""Tuning: LightGBM's parameters searched on the training window, before the model is trained.

Owns Optuna, which parameters are searched and between which limits, and how a trial is judged: on
slices of the training window, each later than the rows that it learned from. Refuses to look at
the holdout. The definition's own parameters are the first trial; what it sets beyond those that
are searched stays as it is.
"""

import itertools
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import lightgbm
import numpy as np
from prefect import task
from prefect.cache_policies import NO_CACHE
from pydantic import ValidationError

from tasks.binning import Parameters
from tasks.definition import Frozen
from tasks.errors import DataRefused, DefinitionError
from tasks.plan import Plan
from tasks.preparation import TIME, Part, Prepared
from tasks.registry import code_digest, name_version
from tasks.store import open_store, reaching
from tasks.training import make_dataset, model_parameters, take_rows

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

log = logging.getLogger("perennial.tuning")

_EDGES = (0.55, 0.7, 0.85, 1.0)  # a slice between each two, judged by all that is older
_SLICE_ROWS = 50
_MOST_TRIALS = 1000
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


class Search(Frozen):
    """The trials that are done, kept so that a killed run goes on where it was."""

    key: str
    trials: tuple[Trial, ...] = ()


Slice = tuple[lightgbm.Dataset, lightgbm.Dataset]


def tuner() -> dict[str, str]:
    """Name the package that proposes trials, with its version; DefinitionError without it."""
    try:
        return {"optuna": version("optuna")}
    except PackageNotFoundError:
        raise DefinitionError(
            "--tune needs optuna, which is not installed; run `make tune` or "
            "`pip install perennial[tune]`"
        ) from None


def name_search(trials: int) -> tuple[str, ...]:
    """Say what a version owes to tuning, for its name; nothing where there is none."""
    if not 0 <= trials <= _MOST_TRIALS:
        raise DefinitionError(f"--tune {trials}: must be a number of trials, 0 to {_MOST_TRIALS}")
    return (f"tune {trials}", json.dumps(tuner())) if trials else ()


def search_parameters(plan: Plan, prepared: Prepared, kept: Path) -> tuple[Trial, ...]:
    """Try as many sets of parameters as the plan says, and go on from those that are kept."""
    made_of = (plan.snapshot, plan.definition.digest, code_digest(), json.dumps(tuner()))
    key = name_version(plan.as_of, *made_of)
    trials = _read_search(kept, key)[: plan.tune]
    if trials:
        log.info("%d trials were done before", len(trials))
    if len(trials) == plan.tune:
        return trials
    # A feature that a large leaf rules out must not be missing where leaves are small.
    params = model_parameters(plan.definition, len(prepared.vocabulary.classes))
    params["feature_pre_filter"] = False
    slices = cut_slices(plan, prepared, params)
    while len(trials) < plan.tune:
        trials = (*trials, _try_next(plan, params, slices, trials))
        _keep_search(kept, Search(key=key, trials=trials))
        _log_trial(trials, plan.tune)
    return trials


def best_trial(trials: Sequence[Trial]) -> int:
    """Give the place of the trial with the least loss over all slices, the first of equals."""
    return min(
        (place for place, each in enumerate(trials) if not each.pruned),
        key=lambda place: trials[place].loss,
    )


def take_best(plan: Plan, trials: Sequence[Trial]) -> Plan:
    """Give the plan that trains by the best trial; without trials it is what it was."""
    return _adjust(plan, trials[best_trial(trials)].params) if trials else plan


def cut_slices(plan: Plan, prepared: Prepared, params: Parameters) -> list[Slice]:
    """Cut the training window: later rows to judge by, and those whose label was known before.

    Rows without a time are judged by others drawn at random.
    """
    rows = make_dataset(_adjust(plan, params), prepared, Part.FIT, Part.STOP)
    place, delay = _place_rows(plan, prepared)
    edges = np.quantile(place, _EDGES, method="lower")
    cut = []
    for start, end in itertools.pairwise(edges):
        older, judged = place < start - delay, (place >= start) & (place < end)
        if min(older.sum(), judged.sum()) >= _SLICE_ROWS:
            cut.append((take_rows(rows, older), take_rows(rows, judged)))
    if not cut:
        raise DataRefused(
            f"{plan.origin}: --tune: the training window is too short to be cut into slices of "
            f"{_SLICE_ROWS} rows; give more history, or leave --tune out"
        )
    return cut


def _place_rows(plan: Plan, prepared: Prepared) -> tuple[Any, float]:
    """Put rows in order of time, or at random where there is none; tell how late labels come."""
    times = prepared.scan(Part.FIT, Part.STOP).select(TIME).collect()[TIME]
    if plan.as_of is None:
        return np.random.default_rng(plan.definition.training.seed).permutation(len(times)), 0.0
    delay = plan.definition.target.matures_after.total_seconds() * 1e6
    return times.dt.epoch("us").to_numpy(), delay


def _try_next(
    plan: Plan, params: Parameters, slices: Sequence[Slice], done: Sequence[Trial]
) -> Trial:
    """Ask what to try after these trials, and try it slice by slice, until it is hopeless."""
    study, distributions = _open_study(plan, params, done)
    asked = study.ask(distributions)
    ours = _override(params, asked.params) if done else {}
    losses = list[float]()
    for loss in _judge(plan, {**params, **ours}, slices):
        losses.append(loss)
        asked.report(sum(losses) / len(losses), len(losses))
        if done and len(losses) < len(slices) and asked.should_prune():
            return Trial(params=ours, losses=tuple(losses), pruned=True)
    return Trial(params=ours, losses=tuple(losses))


def _judge(plan: Plan, params: Parameters, slices: Sequence[Slice]) -> Iterator[float]:
    """Train on what is older than each slice, and give the loss on it where training stops."""
    training = plan.definition.training
    for older, judged in slices:
        curves: dict[str, dict[str, list[float]]] = {}
        watch: list[Any] = [lightgbm.record_evaluation(curves)]
        if training.early_stopping:
            watch.append(lightgbm.early_stopping(training.early_stopping, verbose=False))
        booster = lightgbm.train(
            dict(params), older, training.rounds, valid_sets=[judged], callbacks=watch,
            keep_training_booster=True,
        )  # fmt: skip
        (curve,) = curves["valid_0"].values()
        yield curve[booster.best_iteration - 1]  # without early stopping it is 0, and this the last


def _open_study(
    plan: Plan, params: Parameters, done: Sequence[Trial]
) -> tuple["Study", dict[str, "BaseDistribution"]]:
    """Tell Optuna what was tried. A study of its own for each trial is what makes it repeatable.

    So a trial hangs on those before it alone, whether or not the run was killed in between.
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
    seed = plan.definition.training.seed + len(done)
    study = optuna.create_study(
        sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=_RANDOM_TRIALS),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=_UNPRUNED_TRIALS),
    )
    study.add_trials([_recall_trial(limits, distributions, params, each) for each in done])
    return study, distributions


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


def _override(params: Parameters, asked: Mapping[str, Any]) -> Parameters:
    """Give what a trial sets; a share of the rows has no effect without how often it is drawn."""
    often = (
        {} if "bagging_freq" in params or "bagging_fraction" not in asked else {"bagging_freq": 1}
    )
    return {**asked, **often}


def _adjust(plan: Plan, params: Parameters) -> Plan:
    """Give a plan whose definition sets these parameters; it says nothing of its digest."""
    training = plan.definition.training
    known = {**training.params, **params}
    adjusted = training.model_copy(update={"params": known})
    definition = plan.definition.model_copy(update={"training": adjusted})
    return plan.model_copy(update={"definition": definition})


def _read_search(kept: Path, key: str) -> tuple[Trial, ...]:
    try:
        search = Search.model_validate_json(kept.read_bytes())
    except (FileNotFoundError, ValidationError):
        return ()
    return search.trials if search.key == key else ()


def _keep_search(kept: Path, search: Search) -> None:
    """Replace the file at once: who is killed leaves the trials before, whole."""
    with reaching(str(kept)):
        kept.parent.mkdir(parents=True, exist_ok=True)
        draft = kept.with_suffix(".new")
        draft.write_text(search.model_dump_json(indent=1), encoding="utf-8")
        draft.replace(kept)


def _log_trial(trials: Sequence[Trial], asked: int) -> None:
    last = "pruned" if trials[-1].pruned else f"loss {trials[-1].loss:.5f}"
    best = trials[best_trial(trials)].loss
    log.info("trial %d of %d: %s; best %.5f", len(trials), asked, last, best)


@task(name="tuning", cache_policy=NO_CACHE)
def search(plan: Plan, prepared: Prepared) -> tuple[Trial, ...]:
    """Search parameters; trials are kept beside the runs' work folders, the last search a model."""
    kept = open_store(plan.root).workspace() / "tuning" / f"{plan.definition.name}.json"
    return search_parameters(plan, prepared, kept)
