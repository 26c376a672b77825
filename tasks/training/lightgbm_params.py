"""LightGBM's parameters: what a definition may set, and what is fixed so that a rerun is the same.

Responsible for refusing what LightGBM would not take, before anything is trained.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import lightgbm
import numpy as np

from tasks.cluster.dask_cluster import check_installed
from tasks.core.definition import Definition
from tasks.core.errors import DefinitionError, first_line, nearest
from tasks.core.model_sections import TargetKind
from tasks.training.datasets import Parameters
from tasks.training.feature_constraints import constraint_parameters

_OBJECTIVES: dict[TargetKind, tuple[str, ...]] = {
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
_QUANTILE_ELSEWHERE = (
    "'quantile' predicts one end of a range, and the gate judges predictions of the mean; leave it "
    "out and set [serving] interval = 0.9, which answers both ends beside the prediction, or "
    "[target] quantiles, which are predicted and judged instead of the mean"
)
_NO_QUANTILES = {  # by main name: what each may be where quantiles are trained, one forest each
    "boosting": ("gbdt", "gbrt", "goss"),
    "reg_sqrt": (False,),
}
_WEIGHTS = {  # what makes a rare class count for more, and every probability too high
    "is_unbalance", "scale_pos_weight", "pos_bagging_fraction", "neg_bagging_fraction",
}  # fmt: skip
_PINNED = {  # what a rerun's bytes hang on, and what makes LightGBM read, write or connect
    "deterministic", "force_row_wise", "force_col_wise", "num_class", "verbosity", "task", "config",
    "categorical_feature", "data", "valid", "header", "two_round", "pre_partition", "input_model",
    "output_model", "output_result", "convert_model", "save_binary", "snapshot_freq",
    "label_column", "weight_column", "group_column", "ignore_column",
    "num_machines", "machines", "machine_list_filename", "local_listen_port",
}  # fmt: skip


def check_parameters(definition: Definition, origin: str) -> None:
    """Refuse a LightGBM parameter that does not exist, or cannot be set, or not to this value."""
    if definition.training.engine == "dask":
        check_installed()
    names = parameter_names()
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
        if definition.pinball and value not in _NO_QUANTILES.get(name, (value,)):
            raise DefinitionError(
                f"{where}: {value!r} cannot be had with [target] quantiles; leave it out, or "
                "leave quantiles out"
            )
        fitting = _OBJECTIVES[definition.target.kind]
        if name == "objective" and value == "quantile":
            raise DefinitionError(f"{where}: {_QUANTILE_ELSEWHERE}")
        if name == "objective" and value not in fitting:
            raise DefinitionError(
                f"{where}: {value!r} does not fit a {definition.target.kind} target; "
                f"one of {', '.join(fitting)}"
            )
    # A list has an item a feature, and how many these are is not known yet.
    known = {k: v for k, v in model_parameters(definition, 2).items() if "," not in str(v)}
    try_parameters(known, definition.target.kind, origin, 1)


def model_parameters(
    definition: Definition, classes: int, features: Sequence[str] = ()
) -> Parameters:
    """Give LightGBM's parameters, pinned so that a rerun gives the same bytes.

    Without the names of all `features` there are no constraints on them.
    """
    kind, names = definition.target.kind, parameter_names()
    params: Parameters = {
        "objective": "quantile" if definition.pinball else kind,
        **{names[given]: value for given, value in definition.training.params.items()},
        **(constraint_parameters(definition.training, features) if features else {}),
        "seed": definition.training.seed,
        "num_threads": definition.training.threads or _count_cpus(),
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }
    return params | {"num_class": classes} if kind == "multiclass" else params


def name_weights(definition: Definition) -> list[str]:
    """Name what is set that weighs a class otherwise than its rows do."""
    names = parameter_names()
    return [given for given in definition.training.params if names.get(given) in _WEIGHTS]


def try_parameters(params: Parameters, kind: TargetKind, origin: str, features: int) -> None:
    """Grow a tree on made-up rows: with a wrong value, LightGBM may abort on a real frame."""
    rows = np.tile(np.arange(20.0)[:, None], features)
    label = np.tile([1, 2] if kind == "regression" else [0, 1], 10)
    with blaming(origin):
        lightgbm.train(params, lightgbm.Dataset(rows, label, params=params), 1)


@contextmanager
def blaming(origin: str) -> Iterator[None]:
    """Say what LightGBM cannot do as an error of the definition, without its line of C++."""
    try:
        yield
    except lightgbm.basic.LightGBMError as error:
        said = first_line(error).partition(" at /")[0]
        raise DefinitionError(f"{origin}: [training.params]: LightGBM refuses: {said}") from error


def parameter_names() -> dict[str, str]:
    """Map each name and alias that LightGBM knows to the parameter's main name."""
    aliases = lightgbm.basic._ConfigAliases._get_all_param_aliases()
    return {alias: name for name, others in aliases.items() for alias in (name, *others)}


def _count_cpus() -> int:
    """Count the processors that this process may use, as far as the system tells."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
