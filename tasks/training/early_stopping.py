"""Early stopping: the number of rounds after which later rows gain nothing more.

The training window's last slice judges; the holdout has no say. The rule is LightGBM's: stop when
the loss has not improved for `[training] early_stopping` rounds, and keep the best round. Where a
number may have moved since, `stopping_rule` has a second judge.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import lightgbm

from tasks.core.columns import ROLE
from tasks.core.definition import Definition
from tasks.extraction.run_plan import Plan
from tasks.preparation.split import Prepared, SplitRole
from tasks.training.datasets import Parameters, take_rows
from tasks.training.lightgbm_params import name_weights
from tasks.training.quantile_forest import settle_quantiles
from tasks.training.small_table import cross_validate, find_turns
from tasks.training.stopping_rule import choose_round, judge_line, read_losses, stop_when_shown

log = logging.getLogger("perennial.training")

Callback = Callable[[Any], None]

_FEW_ROUNDS = 5  # in fewer, hardly anything is learned


class Settled(NamedTuple):
    """The number of rounds, the judged rows' loss by round, and the model that was judged by it.

    `moved` tells that the target did, and that more rounds may be kept than have the least loss.
    """

    rounds: int
    curve: tuple[float, ...]
    model: lightgbm.Booster
    moved: bool = False


def settle_rounds(
    plan: Plan,
    params: Parameters,
    rows: lightgbm.Dataset,
    prepared: Prepared,
    progress: Callback,
) -> Settled:
    """Find the number of rounds by the last slice of the training window, and its loss by round.

    Where so few rows say too little, rounds are cross-validated.
    """
    if not plan.definition.pinball and (turns := find_turns(plan, prepared)):
        training = plan.definition.training
        return Settled(*cross_validate(training, params, rows, prepared, turns, progress))
    parts = prepared.scan(SplitRole.FIT, SplitRole.STOP).select(ROLE).collect()[ROLE].to_numpy()
    fit, stop = (take_rows(rows, parts == part) for part in (SplitRole.FIT, SplitRole.STOP))
    timed = prepared.split.timed
    settled = find_best_round(plan.definition, params, fit, stop, progress, timed=timed)
    if settled.moved:
        log.info("the target moved since: rounds are judged by what a line of predictions leaves")
    return settled


def find_best_round(
    definition: Definition,
    params: Parameters,
    rows: lightgbm.Dataset,
    judged: lightgbm.Dataset,
    *callbacks: Callback,
    timed: bool,
) -> Settled:
    """Train until the loss on other rows gains no more; give the best round, and loss by round.

    Without [training] early_stopping, and with dart, which never stops, that is the last round.
    Where the judged rows are later in time (`timed`), a number may have moved.
    """
    training, pinball = definition.training, definition.pinball
    if pinball:
        return Settled(
            *settle_quantiles(training, pinball.levels, params, rows, judged, *callbacks)
        )
    curves: dict[str, dict[str, list[float]]] = {}
    watch, patience = [*callbacks, lightgbm.record_evaluation(curves)], training.early_stopping
    stops = patience > 0 and params.get("boosting") != "dart"
    if stops:
        watch.append(stop_when_shown(curves, patience))
    booster = lightgbm.train(
        dict(params),
        rows,
        training.rounds,
        [judged],
        feval=judge_line if stops and may_move(definition, timed=timed) else None,
        callbacks=watch,
        keep_training_booster=True,
    )
    losses = read_losses(curves)
    stop = choose_round(losses, patience)
    rounds = stop.rounds if stops else training.rounds
    return Settled(rounds, losses.loss, booster, stop.moved)


def may_move(definition: Definition, *, timed: bool) -> bool:
    """Tell whether a target's level and scale are to be told apart from what rounds learn of it.

    Only of a mean: there is no line to fit to quantiles, and the level of a probability is what
    early stopping is to keep right.
    """
    return timed and definition.target.kind == "regression" and not definition.pinball


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
