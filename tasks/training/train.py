"""Step 4, training: numbered rows in, LightGBM models as text out.

Owns how many rounds are trained, and that the same rows give the same bytes, here or on a cluster
(`growing`). Refuses to look at the holdout.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np

from tasks.core.columns import ROLE
from tasks.core.definition import Definition, Frozen
from tasks.extraction.run_plan import Plan
from tasks.preparation.split import Prepared, SplitRole
from tasks.storage.store import reaching
from tasks.training.dask_training import Grown, grow_again, grow_models
from tasks.training.datasets import Parameters, open_bins
from tasks.training.lightgbm_params import blaming, model_parameters, name_weights, try_parameters

log = logging.getLogger("perennial.training")
lightgbm.register_logger(logging.getLogger("perennial.lightgbm"))  # it would print to stdout

_SIMPLE_TREE: Parameters = {"num_leaves": 8, "learning_rate": 1.0}
_QUICK, _QUICK_ROUNDS = {"num_leaves": 15, "learning_rate": 0.15}, 30
_PROGRESS_SECONDS = 3.0
_FEW_ROUNDS = 5  # in fewer, hardly anything is learned


class Trained(Frozen):
    """Model texts by local path: the twin that is evaluated and the simple model to beat.

    `curve` is the stopping slice's loss by round, empty without early stopping.
    """

    twin: Path
    simple: Path
    rounds: int
    params: Parameters
    curve: tuple[float, ...] = ()


def train_models(plan: Plan, prepared: Prepared, folder: Path) -> Trained:
    """Train the model that is evaluated, on all training rows, and a simple one to beat.

    With early stopping, the number of rounds is settled first, on the training window's last
    slice; the holdout has no say in it.
    """
    params = model_parameters(plan.definition, len(prepared.vocabulary.classes))
    try_parameters(params, plan.definition.target.kind, plan.origin, len(plan.features.expressions))
    grow = grow_models if plan.definition.training.engine == "dask" else _grow_here
    grown = grow(plan, prepared, params, params | _SIMPLE_TREE)
    return Trained(
        twin=write_text(grown.twin, folder / "twin.txt"),
        simple=write_text(grown.simple, folder / "simple.txt"),
        rounds=grown.rounds,
        params=params,
        curve=grown.curve,
    )


def _grow_here(plan: Plan, prepared: Prepared, params: Parameters, simple: Parameters) -> Grown:
    rounds, curve = plan.definition.training.rounds, tuple[float, ...]()
    with blaming(plan.origin):
        rows = make_dataset(plan, prepared, SplitRole.FIT, SplitRole.STOP)
        if plan.definition.training.early_stopping:
            rounds, curve = settle_rounds(plan.definition, params, rows, prepared)
        twin, tree = _grow(params, rows, rounds), _grow(simple, rows, 1)
    return Grown(twin.model_to_string(), tree.model_to_string(), rounds, curve)


def settle_rounds(
    definition: Definition, params: Parameters, rows: lightgbm.Dataset, prepared: Prepared
) -> tuple[int, tuple[float, ...]]:
    """Find the number of rounds after which the training window's last slice gains no more."""
    training = definition.training
    parts = prepared.scan(SplitRole.FIT, SplitRole.STOP).select(ROLE).collect()[ROLE].to_numpy()
    fit, stop = (take_rows(rows, parts == part) for part in (SplitRole.FIT, SplitRole.STOP))
    curves: dict[str, dict[str, list[float]]] = {}
    watch: list[Callable[[Any], None]] = [
        lightgbm.early_stopping(training.early_stopping, verbose=False),
        lightgbm.record_evaluation(curves),
    ]
    stopped = _grow(params, fit, training.rounds, valid_sets=[stop], callbacks=watch)
    (curve,) = curves["valid_0"].values()
    return stopped.best_iteration or training.rounds, tuple(curve)  # with dart, it never stops


def warn_of_rounds(definition: Definition, trained: Trained) -> Iterator[str]:
    """Say where early stopping ended training before it had begun; without a curve, none did."""
    if trained.curve and trained.rounds < min(_FEW_ROUNDS, definition.training.rounds):
        rounds = f"{trained.rounds} round{'s' if trained.rounds > 1 else ''}"
        weights = " and ".join(name_weights(definition))
        why = f"; leave {weights} in [training.params] alone" if weights else ""
        yield (
            f"early stopping ended training after {rounds}: the loss on the training window's last "
            f"slice only rose from there{why}; or give it another [training] stopping_share, or a "
            "lower learning_rate"
        )


def refit_model(plan: Plan, prepared: Prepared, trained: Trained, folder: Path) -> Path:
    """Fit once more by the same recipe and rounds, on every row whose label has matured."""
    path = folder / "model.txt"
    if plan.definition.training.engine == "dask":
        return write_text(grow_again(plan, prepared, trained.params, trained.rounds), path)
    with blaming(plan.origin):
        booster = _grow(trained.params, make_dataset(plan, prepared, *SplitRole), trained.rounds)
    return write_text(booster.model_to_string(), path)


def train_quick(
    definition: Definition, rows: Any, target: Any, categories: list[int], classes: int
) -> lightgbm.Booster:
    """Train a small model on rows that are numbered already; it is never to be served."""
    params = model_parameters(definition, classes) | _QUICK
    dataset = lightgbm.Dataset(rows, label=target, categorical_feature=categories, params=params)
    return _grow(params, dataset, _QUICK_ROUNDS)


def make_dataset(plan: Plan, prepared: Prepared, *parts: SplitRole) -> lightgbm.Dataset:
    """Bin the rows of some parts by the definition's parameters."""
    params = model_parameters(plan.definition, len(prepared.vocabulary.classes))
    return open_bins(plan, prepared, params, *parts)


def take_rows(rows: lightgbm.Dataset, chosen: Any) -> lightgbm.Dataset:
    """Take the rows that an array of booleans chooses; `subset` would list millions of numbers."""
    places: Any = np.flatnonzero(chosen).astype(np.int32)
    subset = rows.subset([])
    subset.used_indices = places
    return subset


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
