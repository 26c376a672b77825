"""Training: numbered rows in, LightGBM models as text out.

The same rows give the same bytes, in this process or on a cluster (`dask_training`). The holdout is
never read here.
"""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np

from tasks.core.definition import Definition, Frozen
from tasks.core.progress import tell_progress
from tasks.extraction.run_plan import Plan
from tasks.preparation.split import Prepared, SplitRole
from tasks.storage.store import reaching
from tasks.training.dask_training import Grown, grow_again, grow_models
from tasks.training.datasets import Parameters, open_bins
from tasks.training.early_stopping import settle_rounds
from tasks.training.intervals import fit_interval, refit_interval
from tasks.training.lightgbm_params import blaming, model_parameters, try_parameters
from tasks.training.quantile_forest import grow_quantiles
from tasks.training.quantile_shifts import shift_released, shift_twin
from tasks.training.rare_class import steady_for, steady_leaves
from tasks.training.small_table import allow_rounds, calm_trees, count_small

log = logging.getLogger("perennial.training")
lightgbm.register_logger(logging.getLogger("perennial.lightgbm"))  # it would print to stdout

_SIMPLE_TREE: Parameters = {"num_leaves": 8, "learning_rate": 1.0}
_GAMMA_STEP: Parameters = {"max_delta_step": 1.0}  # else a whole step may end next to nothing
_QUICK, _QUICK_ROUNDS = {"num_leaves": 15, "learning_rate": 0.15}, 30
_PROGRESS_SECONDS = 3.0


class Trained(Frozen):
    """Model texts by local path: the twin that is evaluated and the simple model to beat.

    `rounds` were taken of those that were `allowed`; a small table may take more than it is given.
    `curve` is the stopping slice's loss by round, empty without early stopping; where the target
    `moved`, more rounds may be kept than have the least. `settled` learned from FIT alone: what it
    predicts for the stopping slice, recalibration is fitted on.
    """

    twin: Path
    simple: Path
    settled: Path | None = None
    rounds: int
    allowed: int
    params: Parameters
    curve: tuple[float, ...] = ()
    moved: bool = False


def train_models(plan: Plan, prepared: Prepared, folder: Path) -> Trained:
    """Train the model that is evaluated, on all training rows, and a simple one to beat.

    Beside it come its prediction intervals, where the definition asks for them.

    With early stopping, the number of rounds is settled first, on the training window's last
    slice; the holdout has no say in it.
    """
    params = steady_for(plan, prepared, recall_parameters(plan, prepared))
    try_parameters(params, plan.definition.target.kind, plan.origin, len(plan.features.expressions))
    grow = grow_models if plan.definition.training.engine == "dask" else _grow_here
    simple = params | _SIMPLE_TREE | (_GAMMA_STEP if params["objective"] == "gamma" else {})
    allowed = allow_rounds(plan.definition, prepared)
    grown = grow(plan.model_copy(update={"definition": allowed}), prepared, params, simple)
    twin = folder / "twin.txt"
    write_text(shift_twin(plan, prepared, params, grown.rounds, grown.twin, twin), twin)
    fit_interval(plan, prepared, params, grown.rounds, twin)
    return Trained(
        twin=twin,
        simple=write_text(grown.simple, folder / "simple.txt"),
        settled=write_text(grown.settled, folder / "settled.txt") if grown.settled else None,
        rounds=grown.rounds,
        allowed=allowed.training.rounds,
        params=params,
        curve=grown.curve,
        moved=grown.moved,
    )


def _grow_here(plan: Plan, prepared: Prepared, params: Parameters, simple: Parameters) -> Grown:
    definition, training = plan.definition, plan.definition.training
    settled, text = None, ""
    with blaming(plan.origin):
        rows = make_dataset(plan, prepared, SplitRole.FIT, SplitRole.STOP)
        if training.early_stopping:
            progress = _log_progress(training.rounds)
            settled = settle_rounds(plan, params, rows, prepared, progress)
            if definition.judges_stopping_slice:
                text = settled.model.model_to_string(num_iteration=-1)
        rounds = settled.rounds if settled else training.rounds
        twin = grow_here(definition, params, rows, rounds)
        tree = grow_here(definition, simple, rows, 1)
    both = twin.model_to_string(), tree.model_to_string()
    if settled is None:
        return Grown(*both, rounds)
    return Grown(*both, rounds, settled.curve, text, settled.moved)


def refit_model(plan: Plan, prepared: Prepared, trained: Trained, folder: Path) -> Path:
    """Fit once more by the same recipe and rounds, on every row whose label has matured."""
    path = folder / "model.txt"
    refit_interval(plan, prepared, trained.params, trained.twin, path)
    if plan.definition.training.engine == "dask":
        return write_text(grow_again(plan, prepared, trained.params, trained.rounds), path)
    with blaming(plan.origin):
        rows = make_dataset(plan, prepared, *SplitRole)
        booster = grow_here(plan.definition, trained.params, rows, trained.rounds)
        text = shift_released(plan, prepared, booster.model_to_string(), trained.twin)
    return write_text(text, path)


def train_quick(
    definition: Definition, rows: Any, target: Any, categories: list[int], classes: int
) -> lightgbm.Booster:
    """Train a small model on rows that are numbered already; it is never to be served."""
    params = model_parameters(definition, classes) | _QUICK
    if not classes:
        params = steady_leaves(params, definition.target.kind, float(np.mean(target)))
    dataset = lightgbm.Dataset(rows, label=target, categorical_feature=categories, params=params)
    return grow_here(definition, params, dataset, _QUICK_ROUNDS)


def make_dataset(plan: Plan, prepared: Prepared, *parts: SplitRole) -> lightgbm.Dataset:
    """Bin the rows of some parts by the definition's parameters."""
    return open_bins(plan, prepared, recall_parameters(plan, prepared), *parts)


def recall_parameters(plan: Plan, prepared: Prepared) -> Parameters:
    """Give the parameters that a plan trains by, with the constraints on its features."""
    names = list(plan.features.expressions)
    params = model_parameters(plan.definition, len(prepared.vocabulary.classes), names)
    return calm_trees(params, count_small(prepared), len(names))


def write_text(text: str, path: Path) -> Path:
    with reaching(str(path)):
        path.write_text(text, encoding="utf-8")
    return path


def read_model(text: str) -> lightgbm.Booster:
    return lightgbm.Booster(model_str=text)


def grow_here(
    definition: Definition, params: Parameters, rows: lightgbm.Dataset, rounds: int
) -> lightgbm.Booster:
    """Train, and keep the booster as it is: by default it goes through its text once more."""
    watch = _log_progress(rounds)
    if definition.pinball:
        return grow_quantiles(definition.pinball.levels, params, rows, rounds, watch)
    return lightgbm.train(dict(params), rows, rounds, callbacks=[watch], keep_training_booster=True)


def _log_progress(rounds: int) -> Callable[[Any], None]:
    """Say every few seconds how far training has come."""
    last = [time.monotonic()]

    def callback(env: Any) -> None:
        tell_progress("training", "round", env.iteration + 1, rounds)
        if time.monotonic() - last[0] > _PROGRESS_SECONDS:
            last[0] = time.monotonic()
            log.info("round %d of at most %d", env.iteration + 1, rounds)

    return callback
