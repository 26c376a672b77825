"""Recalibration fitted: by scikit-learn's numbers, with weights and without."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.special import expit, logit, softmax
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from tasks.evaluation import recalibration_methods
from tasks.evaluation.recalibration_methods import (
    fit_isotonic,
    fit_platt,
    fit_temperature,
    pool_blocks,
    unmove,
)
from tasks.training.recalibration import Recalibration, shift_odds

RANDOM = np.random.default_rng(1)
ODDS = RANDOM.normal(-1, 1.2, 5_000)
TARGET = (RANDOM.random(5_000) < expit(ODDS)) * 1.0
WEIGHTS = RANDOM.integers(1, 4, 5_000).astype(float)


def test_line_is_that_of_scikit_learns_logistic_regression() -> None:
    shown = expit(2 * ODDS + 1)
    ours = fit_platt(TARGET, shown)
    oracle = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-12)
    theirs = oracle.fit(logit(shown)[:, None], TARGET)
    assert ours.slope == pytest.approx(theirs.coef_.item(), abs=1e-7)
    expected = theirs.predict_proba(logit(shown)[:, None])[:, 1]
    np.testing.assert_allclose(ours.apply(shown), expected, atol=1e-9)


def test_line_that_did_not_settle_in_time_is_used_as_far_as_it_came(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settled = fit_platt(TARGET, expit(ODDS))
    monkeypatch.setattr(recalibration_methods, "_STEPS", 2)
    assert fit_platt(TARGET, expit(ODDS)).slope == pytest.approx(settled.slope, abs=0.01)


def test_blocks_are_those_of_scikit_learns_isotonic_regression() -> None:
    shown = np.round(expit(2 * ODDS), 3)  # with ties
    centres, values, rows = pool_blocks(TARGET, shown)
    oracle = IsotonicRegression().fit(shown, TARGET)
    points = np.unique(shown)
    expected = np.unique(oracle.predict(points).round(12))
    np.testing.assert_allclose(values, expected, atol=1e-9)
    assert rows.sum() == len(shown)
    assert (np.diff(centres) > 0).all()


def test_temperature_has_the_least_loss_of_all() -> None:
    scores = RANDOM.normal(size=(4_000, 3))
    true = np.array([RANDOM.choice(3, p=chances) for chances in softmax(scores, axis=1)])
    found = fit_temperature(true, softmax(3 * scores, axis=1))
    assert found.temperature == pytest.approx(3, rel=0.1)
    losses = {
        share: -np.log(found.apply(softmax(3 * scores, axis=1))[range(4_000), true]).mean()
        if share == 1
        else -np.log(
            softmax(3 * scores / found.temperature / share, axis=1)[range(4_000), true]
        ).mean()
        for share in (0.99, 1, 1.01)
    }
    assert losses[1] == min(losses.values())


def test_block_in_which_nothing_came_true_says_no_zero() -> None:
    shown = np.linspace(0.001, 0.999, 2_000)
    target = (shown > 0.5) * 1.0
    given = fit_isotonic(target, shown).apply(shown)
    assert 0 < given.min() < 0.001
    assert 0.999 < given.max() < 1


@pytest.mark.parametrize("fit", [fit_platt, fit_isotonic])
def test_what_is_fitted_after_a_shift_holds_before_it(fit: Callable[..., Recalibration]) -> None:
    odds = np.random.default_rng(2).normal(-1, 1.2, 100_000)
    target = (RANDOM.random(len(odds)) < expit(odds + 0.7)) * 1.0
    shown = expit(1.5 * odds)  # too sure, and of before
    given = unmove(fit(target, shift_odds(shown, 0.7)), 0.7).apply(shown)
    assert np.abs(given - expit(odds)).mean() < 0.01


def test_weights_count_as_rows_that_are_there_so_often() -> None:
    often = np.repeat(np.arange(5_000), WEIGHTS.astype(int))
    shown = expit(2 * ODDS)
    weighed, repeated = fit_platt(TARGET, shown, WEIGHTS), fit_platt(TARGET[often], shown[often])
    np.testing.assert_allclose(weighed.apply(shown), repeated.apply(shown), atol=1e-9)
    centres, values, _ = pool_blocks(TARGET, shown, WEIGHTS)
    oracle = IsotonicRegression().fit(shown, TARGET, sample_weight=WEIGHTS)
    expected = np.unique(oracle.predict(np.sort(shown)).round(12))
    np.testing.assert_allclose(values, expected, atol=1e-9)
    assert (np.diff(centres) > 0).all()
