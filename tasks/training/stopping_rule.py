"""Which round early stopping keeps, by what a later slice says of each.

Mostly that of the least loss. But a model of what was before is off where a number grew since, and
its loss on the slice may be least when trees have hardly begun: few of them lie near everybody's
mean. So what each round learned is told apart from where its level and scale lie: a line of the
predictions is fitted on the slice, and what it leaves of the squared error (1 - r², times the
target's variance) is a second judge. Where the line takes away a good part, the target moved, and
the later of both judges' best rounds is kept. Not responsible for training (`early_stopping`).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import lightgbm
import numpy as np

# Of the squared error that a line takes away: by chance and noise it is below .02 on made-up
# tables whose target stays, and .1 to .7 where it grows by a half in two years.
_MOVED = 0.05
_FEW = 200  # rows; a line fits fewer too well by chance
_SQUARED, _LEFT = "squared error", "squared error that a line leaves"


class Losses(NamedTuple):
    """A slice's losses by round; the last two only where it is asked whether the target moved."""

    loss: tuple[float, ...]
    squared: tuple[float, ...] = ()
    left: tuple[float, ...] = ()


class Stop(NamedTuple):
    """The number of rounds to keep, and of those that show it; None: more may be better."""

    rounds: int
    shown: int | None
    moved: bool = False


def choose_round(losses: Losses, patience: int) -> Stop:
    """Keep the best round, once `patience` more have gained nothing.

    >>> choose_round(Losses((0.7, 0.6, 0.65, 0.66, 0.5)), 2)
    Stop(rounds=2, shown=4, moved=False)
    """
    least = _stop_at(losses.loss, patience)
    if not losses.left or not _has_moved(losses, least.rounds):
        return least
    fitted = _stop_at(losses.left, patience)
    both = least.shown and fitted.shown and max(least.shown, fitted.shown)
    return Stop(max(least.rounds, fitted.rounds), both, moved=True)


def judge_line(predicted: Any, judged: lightgbm.Dataset) -> list[tuple[str, float, bool]]:
    """Measure a round's mean squared error, and what the best rising line leaves of it.

    A metric of LightGBM's (`feval`); rows count by their weights. A line takes nothing of few.
    """
    weights: Any = judged.get_weight()

    def average(values: Any) -> float:
        return float(np.average(values, weights=weights))

    target = np.asarray(judged.get_label(), np.float64)
    centred, around = predicted - average(predicted), target - average(target)
    spread, common = average(centred**2), max(average(centred * around), 0.0)
    squared = average((target - predicted) ** 2)
    left = average((around - (common / spread if spread else 0) * centred) ** 2)
    left = squared if len(target) < _FEW else left
    return [(_SQUARED, squared, False), (_LEFT, left, False)]


def read_losses(curves: Mapping[str, Mapping[str, Sequence[float]]]) -> Losses:
    """Read what LightGBM recorded of the one slice that it judged by."""
    (found,) = curves.values()
    told = _own_loss(found), found.get(_SQUARED, ()), found.get(_LEFT, ())
    return Losses(*map(tuple, told))


def stop_when_shown(curves: Mapping[str, Any], patience: int) -> Callable[[Any], None]:
    """Give a callback of LightGBM's that ends training once the round to keep has shown.

    All rounds are read only once that of the least loss has: there may be 100,000.
    """
    best, shown = 0, False

    def callback(env: Any) -> None:
        nonlocal best, shown
        (found,) = curves.values()
        loss = _own_loss(found)
        if loss[-1] < loss[best]:
            best = len(loss) - 1
        shown = shown or len(loss) - 1 - best >= patience
        if not shown:
            return
        stop = choose_round(read_losses(curves), patience)
        if stop.shown is not None:
            raise lightgbm.callback.EarlyStopException(stop.rounds - 1, [])

    callback.order = 40  # type: ignore[attr-defined]  # after the losses were noted
    return callback


def _own_loss(found: Mapping[str, Sequence[float]]) -> Sequence[float]:
    (loss,) = (each for name, each in found.items() if name not in {_SQUARED, _LEFT})
    return loss


def _stop_at(losses: Sequence[float], patience: int) -> Stop:
    best = 0
    for place, loss in enumerate(losses):
        if loss < losses[best]:
            best = place
        if place - best >= patience:
            return Stop(best + 1, place + 1)
    return Stop(best + 1, None)


def _has_moved(losses: Losses, rounds: int) -> bool:
    squared, left = losses.squared[rounds - 1], losses.left[rounds - 1]
    return squared - left > _MOVED * squared
