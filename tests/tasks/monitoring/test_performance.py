"""A window's quality is measured where enough labels are known, and estimated of all its rows."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from scipy.special import expit, logit
from tables import define

from tasks.core.columns import HIGH, LOW, PREDICTION, TARGET, TIME
from tasks.core.definition import parse_definition
from tasks.core.model_sections import METRICS
from tasks.monitoring.context import MonitoringContext
from tasks.monitoring.performance import Span, cover_recent, find_moved, measure_span
from tasks.monitoring.performance_estimation import fit_estimator

START = datetime(2020, 1, 1, tzinfo=UTC)
DEFINITION = parse_definition(define(), "made.toml")


def rows(count: int, labelled: int) -> pl.DataFrame:
    """Make calibrated predictions, of which some have a label."""
    draw = np.random.default_rng(1)
    chance = draw.uniform(0.05, 0.95, count)
    target = (draw.random(count) < chance).astype(float)
    known = pl.Series(TARGET, target).set(pl.Series(np.arange(count) >= labelled), None)
    times = [START + timedelta(minutes=minute) for minute in range(count)]
    return pl.DataFrame({TIME: times, PREDICTION: chance, TARGET: known})


def measure(count: int, labelled: int) -> Span:
    whole = rows(4000, 4000)
    estimator = fit_estimator(
        DEFINITION, *(whole[name].to_numpy() for name in (TARGET, PREDICTION))
    )
    watch = MonitoringContext.model_construct(definition=DEFINITION)
    return measure_span(watch, estimator, START, rows(count, labelled))


def test_estimate_is_near_the_truth_and_the_truth_has_an_interval() -> None:
    span = measure(2000, 2000)
    assert span.end == START + DEFINITION.monitoring.window
    assert span.estimate["auc"] == pytest.approx(span.truth["auc"], abs=0.03)
    assert span.surely is not None
    assert span.surely.low < span.truth["auc"] < span.surely.high


def test_window_with_few_labels_is_estimated_only() -> None:
    span = measure(2000, 99)
    assert (span.rows, span.labelled) == (2000, 99)
    assert (span.truth, span.surely) == ({}, None)
    assert span.estimate.keys() == set(METRICS["binary"])


def test_coverage_of_recent_intervals_is_measured_where_there_are_labels_enough() -> None:
    definition = parse_definition(
        define(target='value = "y"\nkind = "regression"', serving="interval = 0.9"), "made.toml"
    )
    known = rows(1_200, 1_000).with_columns(
        (pl.col(PREDICTION) - 0.5).alias(LOW), (pl.col(PREDICTION) + 0.5).alias(HIGH)
    )
    (whole,) = cover_recent(definition, known)
    assert (whole.rows, whole.asked) == (1_000, 0.9)
    assert whole.is_lost(0.02)
    assert list(cover_recent(definition, known.head(999))) == []
    assert list(cover_recent(definition, known.drop(LOW))) == []
    assert list(cover_recent(DEFINITION, known)) == []


def test_base_rate_that_moved_is_told_from_matured_labels() -> None:
    watch = MonitoringContext.model_construct(definition=DEFINITION)
    known = rows(4000, 4000)
    assert find_moved(watch, known) is None
    moved = known.with_columns(
        pl.Series(PREDICTION, expit(logit(known[PREDICTION].to_numpy()) - 1))
    )
    shift = find_moved(watch, moved)
    assert shift is not None
    assert shift.offset == pytest.approx(1.0, abs=0.1)
    assert shift.share > 0.9
    few = DEFINITION.monitoring.rows - 1
    assert find_moved(watch, moved.head(few)) is None
