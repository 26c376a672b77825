"""Which policy is worth it: by cost or by the gate's metric, with the interval deciding."""

from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from predicted import DEFINITION, START, rows
from sklearn.metrics import confusion_matrix, roc_auc_score

from tasks.backtest.choice import Answered, Choice, choose
from tasks.core.columns import FALSE_ALARM, MISSED, PREDICTION, TARGET, THRESHOLD, WEIGHT
from tasks.core.definition import Definition

DAYS = 60
DATES = [START + timedelta(days=day) for day in (0, 20, 40, DAYS)]
COSTLY = Definition.model_validate(
    DEFINITION.model_dump(exclude_unset=True)
    | {"serving": {"cost": {"false_alarm": 1, "missed": 5}, "threshold": 0.3}}
)
HISTORY = rows(DAYS, 1.0)


def blur(by: float, seed: int = 3) -> pl.DataFrame:
    """Make the same rows, with predictions that know less."""
    odds = np.log(HISTORY[PREDICTION] / (1 - HISTORY[PREDICTION])).to_numpy()
    noise = np.random.default_rng(seed).normal(size=len(odds))
    return HISTORY.with_columns(pl.Series(PREDICTION, 1 / (1 + np.exp(-odds - by * noise))))


def pick(definition: Definition, options: list[Answered], cost: float = 0.0) -> Choice:
    made = choose(definition, options, DATES, cost)
    assert made is not None
    return made


def paid(history: pl.DataFrame) -> float:
    _, alarms, missed, _ = confusion_matrix(
        history[TARGET].to_numpy(), history[PREDICTION].to_numpy() >= 0.3
    ).ravel()
    return float(alarms + 5 * missed)


BAD, GOOD, NEAR = blur(3.0), blur(0.5), blur(0.5, seed=4)


def test_costs_of_answers_and_retrains_are_added_up() -> None:
    options = [Answered("never", False, 0, BAD), Answered("schedule", False, 2, GOOD)]
    made = pick(COSTLY, options, 10.0)
    inside = [each.filter(pl.int_range(pl.len()) > 0) for each in (GOOD, BAD)]  # after the start
    assert (made.by, made.best) == ("cost", "schedule")
    best, worst = made.options
    assert best.answers == pytest.approx(paid(inside[0]), abs=1e-9)
    assert (best.retraining, worst.retraining) == (20.0, 0.0)
    (gap,) = made.gaps
    assert gap.gain.value == pytest.approx(paid(inside[1]) - paid(inside[0]) - 20, abs=1e-6)
    assert gap.gain.low < gap.gain.value < gap.gain.high
    assert gap.apart
    assert made.simplest == "schedule"


def test_retrains_that_cost_more_than_they_save_are_not_worth_it() -> None:
    options = [Answered("never", False, 0, BAD), Answered("schedule", False, 2, GOOD)]
    assert pick(COSTLY, options, paid(BAD)).best == "never"


def test_simplest_of_those_that_cannot_be_told_apart_is_named() -> None:
    options = [
        Answered("never", False, 0, BAD),
        Answered("schedule", False, 1, GOOD),
        Answered("quality", False, 1, NEAR),
        Answered("quality", True, 1, blur(0.5, seed=5)),
    ]
    for definition in (COSTLY, DEFINITION):
        made = pick(definition, options)
        gap = made.gap("never")
        assert gap is not None
        assert gap.apart
        assert made.simplest == "schedule"
        assert made.best != "never"


def test_without_costs_the_gates_metric_decides_by_periods() -> None:
    options = [Answered("never", False, 0, BAD), Answered("schedule", False, 2, GOOD)]
    made = pick(DEFINITION, options)
    assert made.by == "auc"
    areas = [
        roc_auc_score(GOOD[TARGET][slice(*edge)], GOOD[PREDICTION][slice(*edge)])
        for edge in ((1, 2001), (2001, 4001), (4001, 6000))
    ]
    assert made.options[0].value == pytest.approx(np.mean(areas), abs=1e-9)
    assert made.options[0].answers is None
    assert made.gaps[0].gain.value > 0


def test_interval_covers_the_difference_of_equals() -> None:
    """Of two that know as much, a nominal 95 % interval holds 0 nearly always."""
    apart = 0
    for seed in range(20):
        pair = [blur(0.5, seed=100 + 2 * seed), blur(0.5, seed=101 + 2 * seed)]
        options = [Answered("never", False, 0, pair[0]), Answered("schedule", False, 0, pair[1])]
        apart += pick(COSTLY, options).gaps[0].apart
    assert apart <= 3


def test_weights_and_costs_of_a_rows_own_count() -> None:
    extra: dict[str, Any] = {FALSE_ALARM: 1.0, MISSED: 5.0, WEIGHT: 3.0}
    one = Answered("never", False, 0, GOOD.with_columns(**{k: pl.lit(v) for k, v in extra.items()}))
    plain = pick(COSTLY, [Answered("never", False, 0, GOOD)]).options[0].answers
    weighed = pick(COSTLY, [one]).options[0].answers
    assert plain is not None
    assert weighed == pytest.approx(3 * plain)
    none = one.rows.with_columns(pl.lit(0.0).alias(WEIGHT))
    assert choose(COSTLY, [Answered("never", False, 0, none)], DATES, 0.0) is None


def test_each_version_answers_by_its_own_threshold() -> None:
    own = GOOD.with_columns(pl.lit(0.3).alias(THRESHOLD))
    loose = GOOD.with_columns(pl.lit(0.9).alias(THRESHOLD))
    options = [Answered("never", False, 0, own), Answered("schedule", False, 0, loose)]
    made = pick(COSTLY, options)
    assert made.best == "never"
    assert made.gaps[0].apart


def test_too_few_labels_say_nothing() -> None:
    few = GOOD.head(40)
    assert choose(COSTLY, [Answered("never", False, 0, few)], DATES, 0.0) is None
