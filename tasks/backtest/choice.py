"""Which retrain is worth it: the policies of a backtest held against each other, with intervals.

By what their answers cost where the definition says what a mistake costs, and what their retrains
do; else by the gate's metric. Differences are bootstrapped by days, all policies on the same draws
(`evaluation.bootstrap`). Responsible for which policy came out best, and which simpler one cannot
be told apart from it. Not responsible for who answered (`flows/backtest_simulation`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl
from pydantic import Field

from tasks.backtest.periods import FEWEST, cut_periods, known_rows
from tasks.backtest.policies import POLICIES, Policy
from tasks.core.columns import PREDICTION, TARGET, TIME
from tasks.core.definition import Definition, Frozen
from tasks.core.model_sections import HIGHER_IS_BETTER, Metric
from tasks.evaluation.bootstrap import draw_groups, group_rows, reach
from tasks.evaluation.interval import Interval
from tasks.evaluation.metrics import Array, from_sums, group_sums, row_costs
from tasks.evaluation.row_values import read_costs
from tasks.monitoring.holdout_comparison import as_array, measure_rows, read_threshold
from tasks.preparation.weights import read_weights


@dataclass(frozen=True)
class Answered:
    """What a policy's champions answered, as it was or with the base rate followed."""

    policy: Policy
    followed: bool
    retrains: int
    rows: pl.DataFrame

    @property
    def name(self) -> str:
        return f"{self.policy}, base rate followed" if self.followed else self.policy


class Option(Frozen):
    """What a policy came to: its cost, of answers and of retrains, or the metric's mean."""

    name: str
    retrains: int
    value: float
    answers: float | None = None
    retraining: float | None = None


class Gap(Frozen):
    """By how much the best option is better than another: surely so where they are `apart`."""

    other: str
    gain: Interval

    @property
    def apart(self) -> bool:
        return self.gain.low > 0


class Choice(Frozen):
    """Options from the best to the worst, and how far the best is from each other one.

    `by` is `cost`, in the unit of [serving] cost, or the gate's metric. `simplest` needs the least
    upkeep of those that cannot be told apart from the best; it may be the best itself.
    """

    by: Metric
    retrain_cost: float
    rows: int
    confidence: float
    options: tuple[Option, ...]
    gaps: tuple[Gap, ...] = Field(default=())
    simplest: str

    @property
    def best(self) -> str:
        return self.options[0].name

    def gap(self, name: str) -> Gap | None:
        return next((each for each in self.gaps if each.other == name), None)


@dataclass(frozen=True)
class _Worth:
    """An option's value, and by how much it strays in each resample of `groups`."""

    option: Option
    strays: Array
    groups: int


def choose(
    definition: Definition,
    answered: Sequence[Answered],
    dates: Sequence[datetime],
    retrain_cost: float,
) -> Choice | None:
    """Hold policies against each other; None where too few rows came true to say anything."""
    by: Metric = "cost" if definition.serving.cost else definition.metric
    rows = known_rows(answered[0].rows, dates[0], dates[-1])
    if len(rows) < FEWEST or not any(True for _ in cut_periods(answered[0].rows, dates)):
        return None
    worths = [
        _add_up(definition, each, dates, retrain_cost)
        if by == "cost"
        else _average(definition, each, dates)
        for each in answered
    ]
    sign = 1 if by in HIGHER_IS_BETTER else -1
    ranked = sorted(worths, key=lambda worth: -sign * worth.option.value)
    confidence = definition.gate.confidence
    gaps = tuple(_hold(sign, ranked[0], each, confidence) for each in ranked[1:])
    alike = {ranked[0].option.name, *(each.other for each in gaps if not each.apart)}
    return Choice(
        by=by,
        retrain_cost=retrain_cost,
        rows=len(rows),
        confidence=confidence,
        options=tuple(each.option for each in ranked),
        gaps=gaps,
        simplest=min((each for each in answered if each.name in alike), key=_upkeep).name,
    )


def _upkeep(answered: Answered) -> tuple[bool, int]:
    """Order options by what they need: nothing, a calendar, drift's alarms, newest labels.

    To follow a base rate, labels have to come in all the time.
    """
    return answered.followed, POLICIES.index(answered.policy)


def _hold(sign: int, best: _Worth, other: _Worth, confidence: float) -> Gap:
    value = sign * (best.option.value - other.option.value)
    strays = sign * (best.strays - other.strays)
    gain = reach(value, strays, min(best.groups, other.groups), confidence)
    return Gap(other=other.option.name, gain=gain)


def _add_up(
    definition: Definition, answered: Answered, dates: Sequence[datetime], retrain_cost: float
) -> _Worth:
    """Add up what answers and retrains cost; a resample counts as many rows as there are."""
    rows = known_rows(answered.rows, dates[0], dates[-1])
    weights = read_weights(rows)
    every = np.ones(len(rows)) if weights is None else weights
    costs = row_costs(
        rows[TARGET].to_numpy(),
        rows[PREDICTION].to_numpy(),
        read_threshold(definition, rows),
        read_costs(definition, rows),
    )
    groups = group_rows(rows[TIME], definition.training.seed)
    paid, counts = (np.bincount(groups, weights=each * every) for each in (costs / 1000, costs**0))
    drawn = draw_groups(len(paid), definition.training.seed)
    answers, retraining = float(paid.sum()), answered.retrains * retrain_cost
    option = Option(
        name=answered.name,
        retrains=answered.retrains,
        value=answers + retraining,
        answers=answers,
        retraining=retraining,
    )
    strays = (drawn @ paid) / (drawn @ counts) * counts.sum() - answers
    return _Worth(option=option, strays=strays, groups=len(paid))


def _average(definition: Definition, answered: Answered, dates: Sequence[datetime]) -> _Worth:
    """Average the gate's metric over periods, each of which is resampled by itself."""
    stretches = list(_resample(definition, answered.rows, dates))
    option = Option(
        name=answered.name,
        retrains=answered.retrains,
        value=float(np.mean([value for value, _, _ in stretches])),
    )
    strays = np.mean([strays for _, strays, _ in stretches], axis=0)
    return _Worth(option=option, strays=strays, groups=min(groups for _, _, groups in stretches))


def _resample(
    definition: Definition, history: pl.DataFrame, dates: Sequence[datetime]
) -> Iterator[tuple[float, Array, int]]:
    """Give the metric of each period, by how much it strays, and of how many groups it is."""
    metric, seed = definition.metric, definition.training.seed
    for place, (_, _, rows) in enumerate(cut_periods(history, dates)):
        sums = group_sums(
            metric,
            rows[TARGET].to_numpy(),
            as_array(rows[PREDICTION]),
            group_rows(rows[TIME], seed),
            read_threshold(definition, rows),
            read_weights(rows),
            read_costs(definition, rows),
            definition.own_loss,
        )
        whole = from_sums(metric, sums.sum(axis=0)[None, :])
        strays = from_sums(metric, draw_groups(len(sums), seed + place) @ sums) - whole
        yield measure_rows(definition, rows)[metric], strays, len(sums)
