"""Step 4, training: numbered rows in, LightGBM models as text out.

Owns every parameter that LightGBM is given, and that the same rows give the same bytes. Refuses
to look at the holdout.
"""

import logging
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.definition import Definition, Frozen
from tasks.errors import DefinitionError, nearest
from tasks.plan import Plan
from tasks.preparation import PART, ROW, TARGET, TIME, Part, Prepared
from tasks.store import reaching

log = logging.getLogger("perennial.training")

_SIMPLE_LEAVES = 8
_PROGRESS_SECONDS = 3.0
_OBJECTIVES = {
    "binary": ("binary", "cross_entropy"),
    "multiclass": ("multiclass", "multiclassova"),
    "regression": ("regression", "regression_l1", "huber", "fair", "poisson", "gamma", "tweedie"),
}
_OURS = {  # what the definition says elsewhere, and what keeps models the same run after run
    "num_iterations": "rounds",
    "early_stopping_round": "early_stopping",
    "seed": "seed",
    "num_threads": "threads",
    "metric": "[gate] metric",
    **dict.fromkeys(("deterministic", "force_row_wise", "num_class", "verbosity"), ""),
    **dict.fromkeys(("categorical_feature", "data", "valid", "input_model", "output_model"), ""),
}


Parameters = dict[str, bool | int | float | str]


class Trained(Frozen):
    """Model texts by local path: the twin that is evaluated and the simple model to beat.

    `curve` is the stopping slice's loss by round, empty without early stopping.
    """

    twin: Path
    simple: Path
    rounds: int
    params: Parameters
    curve: tuple[float, ...] = ()


def check_parameters(definition: Definition, origin: str) -> None:
    """Refuse a LightGBM parameter that does not exist, or that another key already sets."""
    aliases = lightgbm.basic._ConfigAliases._get_all_param_aliases()
    names = {alias: name for name, others in aliases.items() for alias in (name, *others)}
    for given, value in definition.training.params.items():
        where = f"{origin}: [training.params] {given}"
        if given not in names:
            raise DefinitionError(f"{where}: LightGBM has no such parameter; {nearest(given, names)}")
        name = names[given]
        if name in _OURS:
            hint = f"set {_OURS[name]} instead" if _OURS[name] else "Perennial sets it"
            raise DefinitionError(f"{where}: cannot be set here; {hint}")
        if name == "objective" and value not in _OBJECTIVES[definition.target.kind]:
            fitting = ", ".join(_OBJECTIVES[definition.target.kind])
            raise DefinitionError(f"{where}: {value!r} does not fit the target; one of {fitting}")


def model_parameters(definition: Definition, classes: int) -> Parameters:
    """Give LightGBM's parameters, pinned so that a rerun gives the same bytes."""
    kind = definition.target.kind
    params: Parameters = {
        "objective": kind,
        **definition.training.params,
        "seed": definition.training.seed,
        "num_threads": definition.training.threads or len(os.sched_getaffinity(0)),
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }
    return params | {"num_class": classes} if kind == "multiclass" else params


def train_models(plan: Plan, prepared: Prepared, folder: Path) -> Trained:
    """Train the model that is evaluated, on all training rows, and a simple one to beat.

    With early stopping, the number of rounds is settled first, on the training window's last
    slice; the holdout has no say in it.
    """
    definition = plan.definition
    params = model_parameters(definition, len(prepared.vocabulary.classes))
    rows = make_dataset(plan, prepared, Part.FIT, Part.STOP)
    rounds, curve = definition.training.rounds, ()
    if definition.training.early_stopping:
        rounds, curve = settle_rounds(definition, params, rows, prepared)
    twin = lightgbm.train(params, rows, rounds, callbacks=[_log_progress(rounds)])
    one_tree = {"num_leaves": _SIMPLE_LEAVES, "learning_rate": 1.0}
    simple = lightgbm.train(params | one_tree, rows, 1)
    return Trained(
        twin=write_model(twin, folder / "twin.txt"),
        simple=write_model(simple, folder / "simple.txt"),
        rounds=rounds,
        params=params,
        curve=curve,
    )


def settle_rounds(
    definition: Definition, params: Parameters, rows: lightgbm.Dataset, prepared: Prepared
) -> tuple[int, tuple[float, ...]]:
    """Find the number of rounds after which the training window's last slice gains no more."""
    parts = prepared.scan(Part.FIT, Part.STOP).select(PART).collect()[PART].to_numpy()
    curve: dict[str, dict[str, list[float]]] = {}
    stopped = lightgbm.train(
        params,
        rows.subset(np.flatnonzero(parts == Part.FIT)),
        definition.training.rounds,
        valid_sets=[rows.subset(np.flatnonzero(parts == Part.STOP))],
        callbacks=[
            lightgbm.early_stopping(definition.training.early_stopping, verbose=False),
            lightgbm.record_evaluation(curve),
            _log_progress(definition.training.rounds),
        ],
    )
    (losses,) = curve["valid_0"].values()
    return stopped.best_iteration, tuple(losses)


def refit_model(plan: Plan, prepared: Prepared, trained: Trained, folder: Path) -> Path:
    """Fit once more by the same recipe and rounds, on every row whose label has matured."""
    rows = make_dataset(plan, prepared, *Part)
    callbacks = [_log_progress(trained.rounds)]
    booster = lightgbm.train(trained.params, rows, trained.rounds, callbacks=callbacks)
    return write_model(booster, folder / "model.txt")


def make_dataset(plan: Plan, prepared: Prepared, *parts: Part) -> lightgbm.Dataset:
    """Bin the rows of some parts; LightGBM takes the frame as it is, without a copy."""
    rows = prepared.scan(*parts).drop(ROW, TIME, PART).collect()
    dataset = lightgbm.Dataset(
        model_input(rows.drop(TARGET)),
        label=rows[TARGET].to_numpy(),
        categorical_feature=category_places(plan),
        params=model_parameters(plan.definition, len(prepared.vocabulary.classes)),
    )
    return dataset.construct()


def category_places(plan: Plan) -> list[int]:
    names = list(plan.features.expressions)
    return [names.index(name) for name in plan.features.categories]


def model_input(features: pl.DataFrame) -> pl.DataFrame:
    """Name features so that LightGBM's text can hold them: no spaces, no signs of JSON."""
    plain = [re.sub(r"\W", "_", name, flags=re.ASCII) for name in features.columns]
    if len(set(plain)) < len(plain):
        plain = [f"f{place}_{name}" for place, name in enumerate(plain)]
    return features.rename(dict(zip(features.columns, plain, strict=True)))


def write_model(booster: lightgbm.Booster, path: Path) -> Path:
    with reaching(str(path)):
        path.write_text(booster.model_to_string())
    return path


def read_model(text: str) -> lightgbm.Booster:
    return lightgbm.Booster(model_str=text)


def _log_progress(rounds: int) -> Callable[[Any], None]:
    """Say every few seconds how far training has come."""
    last = [time.monotonic()]

    def callback(env: Any) -> None:
        if time.monotonic() - last[0] > _PROGRESS_SECONDS:
            last[0] = time.monotonic()
            log.info("round %d of at most %d", env.iteration + 1, rounds)

    return callback


@task(name="training", cache_policy=NO_CACHE)
def train(plan: Plan, prepared: Prepared, folder: Path) -> Trained:
    """Train the candidate's evaluated twin and the simple model it has to beat."""
    trained = train_models(plan, prepared, folder)
    log.info("%d rounds", trained.rounds)
    return trained


@task(name="refit", cache_policy=NO_CACHE)
def refit(plan: Plan, prepared: Prepared, trained: Trained, folder: Path) -> Path:
    """Fit the model that will be released on all matured rows."""
    return refit_model(plan, prepared, trained, folder)
