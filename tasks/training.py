"""Step 4, training: numbered rows in, LightGBM models as text out.

Owns every parameter that LightGBM is given, and that the same rows give the same bytes. Refuses
to look at the holdout.
"""

import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.binning import Parameters, category_places, open_bins, plain_names
from tasks.cluster import check_installed, open_cluster
from tasks.definition import Definition, Frozen, Kind
from tasks.errors import DefinitionError, first_line, nearest
from tasks.plan import Plan
from tasks.preparation import PART, TARGET, Part, Prepared
from tasks.shares import Growth, cut_curve
from tasks.store import reaching

log = logging.getLogger("perennial.training")
lightgbm.register_logger(logging.getLogger("perennial.lightgbm"))  # it would print to stdout

_SIMPLE_TREE = {"num_leaves": 8, "learning_rate": 1.0}
_QUICK, _QUICK_ROUNDS = {"num_leaves": 15, "learning_rate": 0.15}, 30
_PROGRESS_SECONDS = 3.0
_OBJECTIVES: dict[Kind, tuple[str, ...]] = {
    "binary": ("binary", "cross_entropy"),
    "multiclass": ("multiclass", "multiclassova"),
    "regression": ("regression", "regression_l1", "huber", "fair", "poisson", "gamma", "tweedie"),
}
_ELSEWHERE = {
    "num_iterations": "[training] rounds",
    "early_stopping_round": "[training] early_stopping",
    "seed": "[training] seed",
    "num_threads": "[training] threads",
    "metric": "[gate] metric",
}
_PINNED = {  # what a rerun's bytes hang on, and what makes LightGBM read, write or connect
    "deterministic", "force_row_wise", "force_col_wise", "num_class", "verbosity", "task", "config",
    "categorical_feature", "data", "valid", "header", "two_round", "pre_partition", "input_model",
    "output_model", "output_result", "convert_model", "save_binary", "snapshot_freq",
    "label_column", "weight_column", "group_column", "ignore_column",
    "num_machines", "machines", "machine_list_filename", "local_listen_port",
}  # fmt: skip


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
    """Refuse a LightGBM parameter that does not exist, or cannot be set, or not to this value."""
    if definition.training.engine == "dask":
        check_installed()
    names = _parameter_names()
    for given, value in definition.training.params.items():
        where = f"{origin}: [training.params] {given}"
        if given not in names:
            raise DefinitionError(
                f"{where}: LightGBM has no such parameter; {nearest(given, names)}"
            )
        name = names[given]
        if name in _ELSEWHERE:
            raise DefinitionError(f"{where}: cannot be set here; set {_ELSEWHERE[name]} instead")
        if name in _PINNED:
            raise DefinitionError(f"{where}: cannot be set; Perennial settles it")
        fitting = _OBJECTIVES[definition.target.kind]
        if name == "objective" and value not in fitting:
            raise DefinitionError(
                f"{where}: {value!r} does not fit a {definition.target.kind} target; "
                f"one of {', '.join(fitting)}"
            )
    # A list has an item a feature, and how many these are is not known yet.
    known = {k: v for k, v in model_parameters(definition, 2).items() if "," not in str(v)}
    _try_parameters(known, definition.target.kind, origin, 1)


def model_parameters(definition: Definition, classes: int) -> Parameters:
    """Give LightGBM's parameters, pinned so that a rerun gives the same bytes."""
    kind, names = definition.target.kind, _parameter_names()
    params: Parameters = {
        "objective": kind,
        **{names[given]: value for given, value in definition.training.params.items()},
        "seed": definition.training.seed,
        "num_threads": definition.training.threads or _count_cpus(),
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
    training, kind = plan.definition.training, plan.definition.target.kind
    params = model_parameters(plan.definition, len(prepared.vocabulary.classes))
    _try_parameters(params, kind, plan.origin, len(plan.features.expressions))
    if training.engine == "dask":
        return _train_on_cluster(plan, prepared, params, folder)
    rounds, curve = training.rounds, tuple[float, ...]()
    with _blaming(plan.origin):
        rows = make_dataset(plan, prepared, Part.FIT, Part.STOP)
        if training.early_stopping:
            rounds, curve = settle_rounds(plan.definition, params, rows, prepared)
        twin = _grow(params, rows, rounds)
        simple = _grow(params | _SIMPLE_TREE, rows, 1)
    return Trained(
        twin=write_model(twin, folder / "twin.txt"),
        simple=write_model(simple, folder / "simple.txt"),
        rounds=rounds,
        params=params,
        curve=curve,
    )


def _train_on_cluster(plan: Plan, prepared: Prepared, params: Parameters, folder: Path) -> Trained:
    """Train both on a cluster. Its first worker judges by the stopping slice, as one process does.

    Rows stay where they were sent, so that the models on all training rows need no second journey.
    """
    training, places = plan.definition.training, tuple(category_places(plan))
    rounds, curve = training.rounds, tuple[float, ...]()
    with open_cluster(training) as cluster:
        sample = cluster.send_sample(_label_first(plan, prepared, Part.FIT, Part.STOP))
        first, second = (
            cluster.send(_label_first(plan, prepared, part)) for part in (Part.FIT, Part.STOP)
        )
        if training.early_stopping:
            judged = cluster.send_first(_label_first(plan, prepared, Part.STOP))
            settling = Growth(params, places, rounds, training.early_stopping)
            seen = cluster.grow(settling, first, sample, judged).curve
            curve = cut_curve(seen, training.early_stopping)
            rounds = 1 + curve.index(min(curve))
        rows = [[*fit, *stop] for fit, stop in zip(first, second, strict=True)]
        twin = cluster.grow(Growth(params, places, rounds), rows, sample)
        simple = cluster.grow(Growth(params | _SIMPLE_TREE, places, 1), rows, sample)
    return Trained(
        twin=write_text(twin.text, folder / "twin.txt"),
        simple=write_text(simple.text, folder / "simple.txt"),
        rounds=rounds,
        params=params,
        curve=curve,
    )


def _label_first(plan: Plan, prepared: Prepared, *parts: Part) -> pl.LazyFrame:
    names = list(plan.features.expressions)
    plain = zip(names, plain_names(names), strict=True)
    renamed = (pl.col(name).alias(other) for name, other in plain)
    return prepared.scan(*parts).select(pl.col(TARGET), *renamed)


def settle_rounds(
    definition: Definition, params: Parameters, rows: lightgbm.Dataset, prepared: Prepared
) -> tuple[int, tuple[float, ...]]:
    """Find the number of rounds after which the training window's last slice gains no more."""
    training = definition.training
    parts = prepared.scan(Part.FIT, Part.STOP).select(PART).collect()[PART].to_numpy()
    fit, stop = (take_rows(rows, parts == part) for part in (Part.FIT, Part.STOP))
    curves: dict[str, dict[str, list[float]]] = {}
    watch: list[Callable[[Any], None]] = [
        lightgbm.early_stopping(training.early_stopping, verbose=False),
        lightgbm.record_evaluation(curves),
    ]
    stopped = _grow(params, fit, training.rounds, valid_sets=[stop], callbacks=watch)
    (curve,) = curves["valid_0"].values()
    return stopped.best_iteration or training.rounds, tuple(curve)  # with dart, it never stops


def refit_model(plan: Plan, prepared: Prepared, trained: Trained, folder: Path) -> Path:
    """Fit once more by the same recipe and rounds, on every row whose label has matured."""
    if plan.definition.training.engine == "dask":
        with open_cluster(plan.definition.training) as cluster:
            shares = cluster.send(_label_first(plan, prepared, *Part))
            sample = cluster.send_sample(_label_first(plan, prepared, *Part))
            growth = Growth(trained.params, tuple(category_places(plan)), trained.rounds)
            return write_text(cluster.grow(growth, shares, sample).text, folder / "model.txt")
    with _blaming(plan.origin):
        rows = make_dataset(plan, prepared, *Part)
        booster = _grow(trained.params, rows, trained.rounds)
    return write_model(booster, folder / "model.txt")


def train_quick(
    definition: Definition, rows: Any, target: Any, categories: list[int], classes: int
) -> lightgbm.Booster:
    """Train a small model on rows that are numbered already; it is never to be served."""
    params = model_parameters(definition, classes) | _QUICK
    dataset = lightgbm.Dataset(rows, label=target, categorical_feature=categories, params=params)
    return _grow(params, dataset, _QUICK_ROUNDS)


def make_dataset(plan: Plan, prepared: Prepared, *parts: Part) -> lightgbm.Dataset:
    """Bin the rows of some parts by the definition's parameters."""
    params = model_parameters(plan.definition, len(prepared.vocabulary.classes))
    return open_bins(plan, prepared, params, *parts)


def take_rows(rows: lightgbm.Dataset, chosen: Any) -> lightgbm.Dataset:
    """Take the rows that an array of booleans chooses; `subset` would list millions of numbers."""
    places: Any = np.flatnonzero(chosen).astype(np.int32)
    subset = rows.subset([])
    subset.used_indices = places
    return subset


def write_model(booster: lightgbm.Booster, path: Path) -> Path:
    return write_text(booster.model_to_string(), path)


def write_text(text: str, path: Path) -> Path:
    with reaching(str(path)):
        path.write_text(text, encoding="utf-8")
    return path


def read_model(text: str) -> lightgbm.Booster:
    return lightgbm.Booster(model_str=text)


def _grow(
    params: Mapping[str, Any],
    rows: lightgbm.Dataset,
    rounds: int,
    valid_sets: list[lightgbm.Dataset] | None = None,
    callbacks: list[Callable[[Any], None]] | None = None,
) -> lightgbm.Booster:
    """Train, and keep the booster as it is: by default it goes through its text once more."""
    return lightgbm.train(
        dict(params),
        rows,
        rounds,
        valid_sets=valid_sets,
        callbacks=[*(callbacks or ()), _log_progress(rounds)],
        keep_training_booster=True,
    )


def _log_progress(rounds: int) -> Callable[[Any], None]:
    """Say every few seconds how far training has come."""
    last = [time.monotonic()]

    def callback(env: Any) -> None:
        if time.monotonic() - last[0] > _PROGRESS_SECONDS:
            last[0] = time.monotonic()
            log.info("round %d of at most %d", env.iteration + 1, rounds)

    return callback


def _parameter_names() -> dict[str, str]:
    """Map each name and alias that LightGBM knows to the parameter's main name."""
    aliases = lightgbm.basic._ConfigAliases._get_all_param_aliases()
    return {alias: name for name, others in aliases.items() for alias in (name, *others)}


def _try_parameters(params: Parameters, kind: Kind, origin: str, features: int) -> None:
    """Grow a tree on made-up rows: with a wrong value, LightGBM may abort on a real frame."""
    rows = np.tile(np.arange(20.0)[:, None], features)
    label = np.tile([1, 2] if kind == "regression" else [0, 1], 10)
    with _blaming(origin):
        lightgbm.train(params, lightgbm.Dataset(rows, label, params=params), 1)


@contextmanager
def _blaming(origin: str) -> Iterator[None]:
    """Say what LightGBM cannot do as an error of the definition, without its line of C++."""
    try:
        yield
    except lightgbm.basic.LightGBMError as error:
        said = first_line(error).partition(" at /")[0]
        raise DefinitionError(f"{origin}: [training.params]: LightGBM refuses: {said}") from error


def _count_cpus() -> int:
    """Count the processors that this process may use, as far as the system tells."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


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
