"""Fairness: how far the rates at which groups are answered yes lie apart, with intervals.

Three rates: of all rows (demographic parity), of those that are positive (equal opportunity) and of
those that are negative; the last two together are equalised odds (Hardt, Price and Srebro 2016).
All pairs of groups are compared on the same draws, and each difference has to be proven small: all
of its interval within the bound (equivalence; of many pairs none is corrected for the others).
Not responsible for whether a difference is just.
"""

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import NamedTuple

import numpy as np
import polars as pl

from tasks.core.checks import Check
from tasks.core.decision_keys import Rate
from tasks.core.definition import Definition
from tasks.evaluation.bootstrap import draw_groups, reach
from tasks.evaluation.interval import Interval
from tasks.evaluation.metrics import Array
from tasks.evaluation.slices import FAIR
from tasks.validation.bounds import list_groups
from tasks.validation.champion_comparison import PairedPredictions


class Difference(NamedTuple):
    """By how much a rate is larger in one group than in another."""

    one: str
    other: str
    gain: Interval

    @property
    def farthest(self) -> float:
        return max(abs(self.gain.low), abs(self.gain.high))


def judge_fairness(definition: Definition, pair: PairedPredictions) -> Iterator[Check]:
    """Hold each rate of each kind of group to the bound."""
    fairness = definition.gate.fairness
    for sql in fairness.by if fairness else ():
        groups, few = list_groups(definition, pair.rows, [FAIR + sql])
        for rate in fairness.rates if fairness else ():
            yield _judge_rate(definition, pair, sql, rate, groups, few)


def compare_rates(
    definition: Definition, pair: PairedPredictions, rate: Rate, groups: Mapping[str, pl.Series]
) -> tuple[dict[str, float], list[Difference]]:
    """Give each group's rate, and the difference of each pair of groups with its interval."""
    count, seed = int(pair.groups.max()) + 1, definition.training.seed
    drawn, rates, strays = draw_groups(count, seed), dict[str, float](), dict[str, Array]()
    for name, inside in groups.items():
        sums = _sum_rate(definition, pair, rate, inside.to_numpy(), count)
        total, told = sums.sum(axis=0), drawn @ sums
        rates[name] = float(total[0] / total[1])
        # Of days on which a group has no such row, nothing is to be learned.
        usual = np.full(len(told), rates[name])
        strays[name] = np.divide(told[:, 0], told[:, 1], out=usual, where=told[:, 1] > 0)
    differences = []
    for one, other in combinations(sorted(groups, key=lambda name: -rates[name]), 2):
        gap = rates[one] - rates[other]
        spread = strays[one] - strays[other] - gap
        gain = reach(gap, spread, count, definition.gate.confidence)
        differences.append(Difference(one, other, gain))
    return rates, differences


def _sum_rate(
    definition: Definition, pair: PairedPredictions, rate: Rate, inside: Array, count: int
) -> Array:
    """Sum up, by drawn group, the rows that are answered yes, and those that could be."""
    every = np.ones(len(pair.target)) if pair.weights is None else pair.weights
    of = {"true_positive_rate": pair.target, "false_positive_rate": 1 - pair.target}
    could = inside * every * of.get(rate, np.ones(len(pair.target)))
    told = could * (pair.ours >= definition.threshold)
    return np.stack([np.bincount(pair.groups, each, minlength=count) for each in (told, could)], 1)


def _judge_rate(
    definition: Definition,
    pair: PairedPredictions,
    sql: str,
    rate: Rate,
    groups: Mapping[str, pl.Series],
    few: int,
) -> Check:
    fairness = definition.gate.fairness
    assert fairness is not None
    name, left = f"fairness_of_{rate}_by_{sql}", ""
    if few:
        left = f"; {few} with too few rows, or too few of a class, are not judged"
    if len(groups) < 2:
        said = f"fewer than two groups by {sql} have rows enough to be compared{left}"
        return Check(name=name, passed=False, detail=said, numbers={"groups": len(groups)})
    rates, differences = compare_rates(definition, pair, rate, groups)
    worst = max(differences, key=lambda each: each.farthest)
    gain, words = worst.gain, rate.replace("_", " ")
    return Check(
        name=name,
        passed=worst.farthest <= fairness.at_most,
        detail=f"{words} is {rates[worst.one]:.4f} where {worst.one} and {rates[worst.other]:.4f} "
        f"where {worst.other}: a difference of {gain.value:.4f} (interval {gain.low:.4f} to "
        f"{gain.high:.4f}), and all of that must be within {fairness.at_most:g}{left}",
        numbers={
            **rates,
            "difference": gain.value,
            "from": gain.low,
            "to": gain.high,
            "bound": fairness.at_most,
        },
    )
