"""Prior shift: what a base rate that moved explains of a calibration error, and what not."""

import numpy as np
import polars as pl
import pytest
from scipy.special import expit, logit
from scored import definition_of

from tasks.core.columns import LEARNED_OFFSET, TARGET, WEIGHT
from tasks.evaluation.prior_shift import (
    describe_shift,
    find_offset,
    find_shift,
    measure_learned,
    measure_shift,
)
from tasks.training.recalibration import shift_odds

RANDOM = np.random.default_rng(1)
ODDS = RANDOM.normal(-1.2, 0.8, 40_000)
CHANCE = expit(ODDS)


def come_true(chance: np.ndarray) -> np.ndarray:
    return (RANDOM.random(len(chance)) < chance) * 1.0


def test_base_rate_that_moved_explains_the_whole_error() -> None:
    target = come_true(expit(ODDS + 0.5))
    shift = find_shift(definition_of(), target, CHANCE)
    assert shift is not None
    assert shift.offset == pytest.approx(0.5, abs=0.05)
    assert shift.share > 0.95
    assert (shift.predicted, shift.observed) == (CHANCE.mean(), target.mean())
    assert shift.left < 0.01 < 0.07 < shift.error
    assert "a base rate that moved" in describe_shift(shift)


def test_predictions_that_are_too_sure_are_no_base_rate() -> None:
    assert measure_shift(come_true(expit(ODDS / 2 - 0.6)), CHANCE).share < 0.5
    assert find_shift(definition_of(), come_true(expit(ODDS / 2 - 0.6)), CHANCE) is None


def test_calibration_that_is_near_enough_is_no_matter() -> None:
    assert find_shift(definition_of(), come_true(CHANCE), CHANCE) is None


def test_only_a_binary_target_with_both_classes_has_a_base_rate() -> None:
    assert find_shift(definition_of("regression"), CHANCE, CHANCE) is None
    assert find_shift(definition_of(), np.zeros(len(CHANCE)), CHANCE) is None


def test_offset_predicts_as_much_as_came_true() -> None:
    target = come_true(expit(ODDS - 1))
    offset = find_offset(target.mean(), CHANCE)
    assert shift_odds(CHANCE, offset).mean() == pytest.approx(target.mean(), abs=1e-9)
    np.testing.assert_allclose(shift_odds(CHANCE, offset), expit(logit(CHANCE) + offset))


def test_offset_without_an_end_is_bounded() -> None:
    assert find_offset(1.0, np.full(4, 0.5)) == 20
    assert find_offset(0.0, np.full(4, 0.5)) == -20


def test_model_that_is_off_where_it_learned_is_told_by_how_much() -> None:
    rows = pl.DataFrame({TARGET: come_true(CHANCE)})
    found = measure_learned(definition_of(), rows, expit(ODDS + 1.5))
    assert found == {LEARNED_OFFSET: pytest.approx(-1.5, abs=0.05)}
    weighed = rows.with_columns((1 + 3 * pl.col(TARGET)).alias(WEIGHT))
    counted = measure_learned(definition_of(), weighed, CHANCE)
    assert counted[LEARNED_OFFSET] == pytest.approx(np.log(4), abs=0.05)
    assert measure_learned(definition_of("regression"), rows, CHANCE) == {}
