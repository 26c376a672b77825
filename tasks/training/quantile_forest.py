"""Several quantiles as one model: a forest for each level, put into one LightGBM text.

Each level is trained by LightGBM's own quantile objective, on the same rows and for as many rounds.
The text then holds a tree of each level in every round, as it does for classes: so whatever reads
and predicts models of several classes does it for quantiles, too. Not responsible for the order of
a row's quantiles (`core.pinball` rearranges them).
"""

import re
from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import Any, NamedTuple

import lightgbm
import numpy as np

from tasks.core.model_sections import Training
from tasks.training.datasets import Parameters

Callback = Callable[[Any], None]

# A tree of one leaf. Where no leaf can be parted any more, LightGBM grows none: it adds nothing.
_CONSTANT = "num_leaves=1\nnum_cat=0\nleaf_value={}\nis_linear=0\nshrinkage=1\n\n"
_NOTHING = f"0\n{_CONSTANT.format(0)}"


class Round(NamedTuple):
    """What a callback is told of: the number of a round that is done."""

    iteration: int


def grow_quantiles(
    levels: Sequence[float],
    params: Parameters,
    rows: lightgbm.Dataset,
    rounds: int,
    *callbacks: Callback,
) -> lightgbm.Booster:
    """Train a forest for each level, round by round beside each other, and join them."""
    forests = _open_forests(levels, params, rows)
    for done in range(rounds):
        _grow_round(forests, done, callbacks)
    return join_forests(forests)


def settle_quantiles(
    training: Training,
    levels: Sequence[float],
    params: Parameters,
    rows: lightgbm.Dataset,
    judged: lightgbm.Dataset,
    *callbacks: Callback,
) -> tuple[int, tuple[float, ...], lightgbm.Booster]:
    """Train until the mean pinball loss on other rows gains no more; best round, losses, model.

    All levels have the same number of rounds: the one that is best for their mean.
    """
    forests = _open_forests(levels, params, rows)
    for forest in forests:
        forest.add_valid(judged, "judged")
    losses = list[float]()
    for done in range(training.rounds):
        _grow_round(forests, done, callbacks)
        losses.append(float(np.mean([forest.eval_valid()[0][2] for forest in forests])))
        best = int(np.argmin(losses))
        if training.early_stopping and done - best >= training.early_stopping:
            break
    rounds = best + 1 if training.early_stopping else training.rounds
    return rounds, tuple(losses), join_forests(forests)


def join_forests(forests: Sequence[lightgbm.Booster]) -> lightgbm.Booster:
    """Put forests into one model: of each level a tree, and again, till none has any left."""
    texts = [forest.model_to_string(num_iteration=-1) for forest in forests]
    parts = [text.partition("\nend of trees")[0].split("\nTree=") for text in texts]
    head = re.sub(r"(?m)^(num_class|num_tree_per_iteration)=1$", rf"\1={len(parts)}", parts[0][0])
    # LightGBM counts how long trees are by itself where nobody says it; levels are no part of it.
    head = re.sub(r"(?m)^tree_sizes=.*\n", "", head)
    head = re.sub(r"(?m)^objective=quantile .*$", "objective=quantile", head)
    rounds = zip_longest(*(part[1:] for part in parts), fillvalue=_NOTHING)
    trees = [tree.partition("\n")[2] for each in rounds for tree in each]
    body = "".join(f"\nTree={place}\n{tree}" for place, tree in enumerate(trees))
    return lightgbm.Booster(model_str=f"{head}{body}\nend of trees\n\n")


def add_constants(text: str, constants: Sequence[float]) -> str:
    """Add a number to each output of a model in LightGBM's text: a last round of one-leaf trees."""
    head, _, rest = text.partition("\nend of trees")
    first = head.count("\nTree=")
    trees = [
        f"\nTree={first + place}\n{_CONSTANT.format(repr(float(each)))}"
        for place, each in enumerate(constants)
    ]
    head = re.sub(r"(?m)^tree_sizes=.*\n", "", head)
    joined = f"{head.rstrip()}\n\n{''.join(trees)}\nend of trees{rest}"
    return lightgbm.Booster(model_str=joined).model_to_string()


def _open_forests(
    levels: Sequence[float], params: Parameters, rows: lightgbm.Dataset
) -> list[lightgbm.Booster]:
    return [lightgbm.Booster({**params, "alpha": level}, rows) for level in levels]


def _grow_round(
    forests: Sequence[lightgbm.Booster], done: int, callbacks: Sequence[Callback]
) -> None:
    for forest in forests:
        forest.update()
    for callback in callbacks:
        callback(Round(done))
