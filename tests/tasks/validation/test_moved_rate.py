"""A base rate that moved is taken off; what is wrong beside it is refused all the same."""

import re
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from scipy.special import expit
from scored import definition_of

from tasks.core.checks import Check, failed
from tasks.core.columns import LEARNED_OFFSET, TARGET, TIME
from tasks.core.definition import Definition
from tasks.evaluation.metrics import Array
from tasks.validation.champion_predictions import ChampionPredictions
from tasks.validation.gate import Verdict, judge
from tasks.validation.moved_rate import MovedRate

RANDOM = np.random.default_rng(7)
ROWS, MOVED = 20_000, 1.0
PART = RANDOM.normal(-1.3, 0.35, ROWS)  # what a model knows that lacks a feature
ODDS = PART + RANDOM.normal(
    0, 0.35, ROWS
)  # what a good model says of each row, as it was in training
DAYS = np.repeat(RANDOM.normal(0, 0.1, ROWS // 200), 200)
TRUE = expit(ODDS + MOVED + DAYS)
CAME = (RANDOM.random(ROWS) < TRUE) * 1.0


def score(
    predicted: Array, came: Array = CAME, before: float | None = None, learned: float = 0.0
) -> pl.DataFrame:
    """Score a hundred days; the guess and the simple model say the rate of training."""
    start = datetime(2020, 1, 1, tzinfo=UTC)
    rate = float(expit(ODDS).mean()) if before is None else before
    return pl.DataFrame(
        {TIME: [start + timedelta(days=row // 200) for row in range(ROWS)], TARGET: came}
    ).with_columns(
        pl.Series("predicted", predicted),
        pl.lit(learned).alias(LEARNED_OFFSET),
        baseline=pl.lit(rate),
        simple=pl.Series(rate * np.random.default_rng(1).uniform(0.9, 1.1, ROWS)),
    )


def judge_beside(
    predicted: Array, champion: Array | None, gate: str = "", scored: pl.DataFrame | None = None
) -> Verdict:
    scored = score(predicted) if scored is None else scored
    rival = None
    if champion is not None:
        rival = ChampionPredictions(
            version="v", inside=np.ones(ROWS, dtype=bool), predicted=champion
        )
    return judge(define(gate), scored, rival)


def define(gate: str = "") -> Definition:
    return definition_of(gate=gate)


def failing(verdict: Verdict) -> set[str]:
    return {check.name for check in failed(verdict.checks)}


def warned(verdict: Verdict) -> dict[str, Check]:
    return {check.name: check for check in verdict.checks if check.warning}


def test_base_rate_alone_is_a_warning_by_name_and_figure() -> None:
    verdict = judge_beside(expit(ODDS), None)
    assert verdict.passed, failing(verdict)
    check = warned(verdict)["calibrated"]
    assert check.warning.startswith("calibrated passes with a base rate taken off that moved, from")
    assert f"to {CAME.mean():.1%} in the holdout" in check.warning
    offset = re.search(r"prior shift, ([+]\d[.]\d\d) in log odds", check.warning)
    assert offset
    assert float(offset[1]) == pytest.approx(MOVED, abs=0.1)
    assert "as it stands: calibration error 0.2" in check.detail


def test_champion_that_knew_the_base_rate_does_not_refuse_a_better_order_of_rows() -> None:
    skilled = expit(ODDS + MOVED - 0.3)
    verdict = judge_beside(skilled, expit(PART + MOVED))
    assert verdict.passed, failing(verdict)
    assert list(warned(verdict)) == ["calibration"]


def test_candidate_that_is_surely_worse_as_it_stands_is_refused() -> None:
    """What is served now is better, whatever the reason."""
    verdict = judge_beside(expit(ODDS), expit(ODDS + MOVED))
    assert failing(verdict) >= {"calibrated", "calibration", "second_metric"}
    assert not warned(verdict)


@pytest.mark.parametrize("metric", ["log_loss", "brier"])
def test_guess_is_beaten_by_what_is_left(metric: str) -> None:
    faint = expit(-1.3 + 0.35 * (ODDS + 1.3))
    verdict = judge_beside(faint, None, f'metric = "{metric}"', score(faint))
    assert "beats_baseline" not in failing(verdict)


def test_no_skill_is_refused_whatever_moved() -> None:
    for seed in range(5):
        guesses = np.random.default_rng(seed).permutation(expit(ODDS))
        found = failing(judge_beside(guesses, None))
        assert found >= {"beats_baseline", "beats_baseline_on_loss"}


@pytest.mark.parametrize("sharpen", [3.0, 4.0])
def test_distortion_that_no_offset_mends_is_refused(sharpen: float) -> None:
    distorted = expit(sharpen * (ODDS + 1.3) - 1.3)
    assert "beats_baseline_on_loss" in failing(judge_beside(distorted, None))
    milder = expit(2 * (ODDS + 1.3) - 1.3 + MOVED)
    verdict = judge_beside(milder, expit(ODDS + MOVED), "second_margin = 0.9, slice_margin = 0.9")
    assert "calibration" in failing(verdict)


@pytest.mark.parametrize("by", [-1.4, 2.5])
def test_class_weights_are_no_base_rate_that_moved(by: float) -> None:
    """They move all odds by one factor, too: but where the model learned as well."""
    scored = score(expit(ODDS + by), learned=-by)
    verdict = judge_beside(expit(ODDS + by), None, scored=scored)
    off = MovedRate.find(define(), scored, None)
    assert off is not None
    assert off.offset == pytest.approx(MOVED, abs=0.1)
    assert failing(verdict) >= {"calibrated"}
    assert not warned(verdict)


def test_rate_that_moved_the_other_way_explains_nothing() -> None:
    """Nothing came true more often than in training: what is off is the model."""
    scored = score(expit(ODDS), before=float(CAME.mean()) + 0.01)
    assert "calibrated" in failing(judge_beside(expit(ODDS), None, scored=scored))


def test_without_a_look_at_where_it_learned_nothing_is_taken_off() -> None:
    unknown = score(expit(ODDS)).drop(LEARNED_OFFSET)
    assert "calibrated" in failing(judge_beside(expit(ODDS), None, scored=unknown))


def test_bound_that_the_file_sets_holds_for_what_is_served() -> None:
    verdict = judge_beside(expit(ODDS), None, "calibration_at_most = 0.05")
    assert failing(verdict) == {"calibrated"}
    bound = judge_beside(expit(ODDS), None, "at_most = { log_loss = 0.6 }")
    assert "log_loss_at_most" in failing(bound)


def test_rows_without_a_time_have_no_after() -> None:
    timeless = score(expit(ODDS)).with_columns(pl.lit(None, pl.Datetime("us", "UTC")).alias(TIME))
    assert "calibrated" in failing(judge_beside(expit(ODDS), None, scored=timeless))


def test_farther_than_a_base_rate_is_ever_followed_is_refused() -> None:
    came = (RANDOM.random(ROWS) < expit(ODDS + 2.2)) * 1.0
    scored = score(expit(ODDS), came)
    assert "calibrated" in failing(judge_beside(expit(ODDS), None, scored=scored))
