"""A small table: slower, smaller and more random trees, and rounds that all of its rows settle.

LightGBM's defaults are for tens of thousands of rows. Of fewer, trees of 31 leaves at a rate of .1
learn the noise after some dozen rounds, and a stopping slice of a few dozen rows ends training by
chance. So a step is smaller, each tree sees a part of rows and features (stochastic gradient
boosting: Friedman 2002), and the number of rounds is cross-validated. Where features are few, each
tree sees all of them: without one it would know half of what two say together. Found on 40 public
tables without a time, so only those are meant: rows that follow each other in time cannot be
shuffled. Their rounds are cross-validated forward in time, where the stopping slice is as small.
"""

from collections.abc import Sequence
from typing import Any

import lightgbm
import numpy as np
from polars.selectors import by_name

from tasks.core.columns import GROUP, ROLE, TARGET, TIME
from tasks.core.definition import Definition
from tasks.core.model_sections import Training
from tasks.extraction.run_plan import Plan
from tasks.preparation.split import Prepared, SplitRole
from tasks.training.datasets import Parameters, take_rows
from tasks.training.lightgbm_params import parameter_names
from tasks.training.residuals import TRAINING, Array, Turn, cut_turns

_SMALL, _VERY_SMALL = 10_000, 2_000  # training rows
_FEW_FEATURES = 4  # so few that a tree without one of them misses what they say together
_FEW = 200  # a stopping slice of so few rows says too little by itself
_CALM: Parameters = {"learning_rate": 0.05, "min_data_in_leaf": 10, "feature_fraction": 0.7}
MOST_ROUNDS = 3000  # where [training] rounds is what it is by default
_BAGGING: Parameters = {"bagging_fraction": 0.8, "bagging_freq": 1}
# Sampling of its own, or of each class; then how rows are drawn is left alone.
_DRAWS = {"boosting", "data_sample_strategy", "pos_bagging_fraction", "neg_bagging_fraction"}


def count_small(prepared: Prepared) -> int:
    """Count the training rows of a small table without a time; 0 of any other."""
    count = prepared.rows["fit"] + prepared.rows["stop"]
    return count if not prepared.split.timed and count < _SMALL else 0


def find_turns(plan: Plan, prepared: Prepared) -> list[Turn]:
    """Say which rows judge which, where all training rows are to settle the rounds.

    None where the last slice says enough by itself, or where nothing came before what is judged.
    Rows with a time are judged by what was known before them, others by folds at random. No group
    is on both sides. Classes in time are left to the last slice: a level that a number crosses by
    chance, which makes it mislead, they have not.
    """
    if prepared.rows["fit"] + prepared.rows["stop"] >= _SMALL or prepared.rows["stop"] >= _FEW:
        return []
    classed = plan.definition.target.kind != "regression"
    if classed and prepared.split.timed:
        return []
    told = by_name(TIME, TARGET, GROUP, require_all=False)
    rows = prepared.scan(*TRAINING).select(told).collect()
    turns = cut_turns(plan, prepared, rows, fewest=1)
    return [turn for turn in turns if _teaches(rows[TARGET].to_numpy(), turn, classed=classed)]


def _teaches(target: Array, turn: Turn, *, classed: bool) -> bool:
    """Tell whether there is something to learn, and of each class that is judged.

    LightGBM refuses counts that are all 0, and a class that no row taught has an endless loss.
    """
    learned, judged = (np.unique(target[rows]) for rows in turn)
    return len(learned) > 1 and not (classed and np.setdiff1d(judged, learned).size)


def calm_trees(params: Parameters, rows: int, features: int) -> Parameters:
    """Set what suits so few rows, where the definition says nothing of it; 0: no small table.

    >>> calm_trees({"num_leaves": 40, "bagging_freq": 5}, 500, 9)["num_leaves"]
    40
    >>> calm_trees({}, 500, 9)["feature_fraction"], calm_trees({}, 500, 3)["feature_fraction"]
    (0.7, 1.0)
    >>> calm_trees({}, 0, 9)
    {}
    """
    if not rows:
        return params
    leaves: Parameters = {"num_leaves": 7 if rows < _VERY_SMALL else 15}
    drawn = {} if (_DRAWS | _BAGGING.keys()) & params.keys() else _BAGGING
    depth = {} if "max_depth" in params else leaves
    whole: Parameters = {"feature_fraction": 1.0} if features <= _FEW_FEATURES else {}
    return {**_CALM, **whole, **drawn, **depth, **params}


def allow_rounds(definition: Definition, prepared: Prepared) -> Definition:
    """Allow a small table more rounds than by default, as its steps are smaller than LightGBM's.

    Early stopping settles how many. Another number than the default stays, and all do where the
    definition gives a rate. What is written out as the default has the same digest as none.
    """
    training, names = definition.training, parameter_names()
    given = {names[each] for each in training.params}
    default = Training.model_fields["rounds"].default
    if not (training.early_stopping and count_small(prepared)) or training.rounds != default:
        return definition
    if {"learning_rate", "boosting"} & given:
        return definition
    longer = training.model_copy(update={"rounds": MOST_ROUNDS})
    return definition.model_copy(update={"training": longer})


def cross_validate(
    training: Training,
    params: Parameters,
    rows: lightgbm.Dataset,
    prepared: Prepared,
    turns: Sequence[Turn],
    *callbacks: Any,
) -> tuple[int, tuple[float, ...], lightgbm.Booster]:
    """Settle rounds over turns of the training rows; give rounds, loss by round, FIT's own model.

    The stopping slice is not what settles the rounds of rows without a time, and so can judge what
    else is fitted on it.
    """
    found = lightgbm.cv(
        params | {"num_threads": 1},  # threads wait for each other longer than such trees take
        rows,
        training.rounds,
        folds=[tuple(map(np.flatnonzero, turn)) for turn in turns],
        callbacks=[*callbacks, lightgbm.early_stopping(training.early_stopping, verbose=False)],
    )
    losses: Any = next(each for name, each in found.items() if name.endswith("-mean"))
    curve = tuple(map(float, losses))
    parts = prepared.scan(*TRAINING).select(ROLE).collect()[ROLE]
    fit = take_rows(rows, (parts == SplitRole.FIT).to_numpy())
    model = lightgbm.train(dict(params), fit, len(curve), keep_training_booster=True)
    return len(curve), curve, model
