"""Early stopping: the number of rounds after which later rows gain nothing more.

The training window's last slice judges; the holdout has no say. The rule is LightGBM's: stop when
the loss has not improved for `[training] early_stopping` rounds, and keep the best round.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import lightgbm

from tasks.core.columns import ROLE
from tasks.core.definition import Definition
from tasks.preparation.split import Prepared, SplitRole
from tasks.training.datasets import Parameters, take_rows
from tasks.training.lightgbm_params import name_weights
from tasks.training.quantile_forest import settle_quantiles

Callback = Callable[[Any], None]

_FEW_ROUNDS = 5  # in fewer, hardly anything is learned


class Settled(NamedTuple):
    """The number of rounds, the judged rows' loss by round, and the model that was judged by it."""

    rounds: int
    curve: tuple[float, ...]
    model: lightgbm.Booster


def settle_rounds(
    definition: Definition,
    params: Parameters,
    rows: lightgbm.Dataset,
    prepared: Prepared,
    progress: Callback,
) -> Settled:
    """Find the number of rounds by the last slice of the training window, and its loss by round."""
    parts = prepared.scan(SplitRole.FIT, SplitRole.STOP).select(ROLE).collect()[ROLE].to_numpy()
    fit, stop = (take_rows(rows, parts == part) for part in (SplitRole.FIT, SplitRole.STOP))
    return find_best_round(definition, params, fit, stop, progress)


def find_best_round(
    definition: Definition,
    params: Parameters,
    rows: lightgbm.Dataset,
    judged: lightgbm.Dataset,
    *callbacks: Callback,
) -> Settled:
    """Train until the loss on other rows gains no more; give the best round, and loss by round.

    Without [training] early_stopping, and with dart, which never stops, that is the last round.
    """
    training, pinball = definition.training, definition.pinball
    if pinball:
        return Settled(
            *settle_quantiles(training, pinball.levels, params, rows, judged, *callbacks)
        )
    curves: dict[str, dict[str, list[float]]] = {}
    watch = [*callbacks, lightgbm.record_evaluation(curves)]
    if training.early_stopping:
        watch.append(lightgbm.early_stopping(training.early_stopping, verbose=False))
    booster = lightgbm.train(
        dict(params), rows, training.rounds, [judged], callbacks=watch, keep_training_booster=True
    )
    (curve,) = curves["valid_0"].values()
    return Settled(booster.best_iteration or training.rounds, tuple(curve), booster)


def cut_curve(curve: Sequence[float], patience: int) -> tuple[float, ...]:
    """Cut a curve where a single process would have stopped: `patience` rounds after the best.

    >>> cut_curve((0.7, 0.6, 0.65, 0.66, 0.5), 2)
    (0.7, 0.6, 0.65, 0.66)
    """
    best = 0
    for place, loss in enumerate(curve):
        if loss < curve[best]:
            best = place
        if place - best >= patience:
            return tuple(curve[: place + 1])
    return tuple(curve)


def warn_of_rounds(definition: Definition, rounds: int, curve: Sequence[float]) -> Iterator[str]:
    """Say where early stopping ended training before it had begun; without a curve, none did."""
    if curve and rounds < min(_FEW_ROUNDS, definition.training.rounds):
        few = f"{rounds} round{'s' if rounds > 1 else ''}"
        weights = " and ".join(name_weights(definition))
        why = f"; leave {weights} in [training.params] alone" if weights else ""
        yield (
            f"early stopping ended training after {few}: the loss on the training window's last "
            f"slice only rose from there{why}; or give it another [training] stopping_share, or a "
            "lower learning_rate"
        )
