"""Bands around curves: each resample is scikit-learn's curve, and the band holds the true one."""

import time
from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from scipy.stats import norm
from scored import START, definition_of
from sklearn.metrics import precision_recall_curve, roc_curve

from tasks.core.columns import TARGET, TIME
from tasks.evaluation.bootstrap import draw_groups
from tasks.evaluation.curve_bands import bound_curves, count_by_group, read_precision, read_roc
from tasks.evaluation.curves import draw_curves
from tasks.evaluation.metrics import Array

DEFINITION = definition_of()
DAYS = 40


def draw(count: int, seed: int) -> tuple[pl.DataFrame, Array]:
    """Draw rows of many days, positives of which score one standard deviation higher."""
    rng = np.random.default_rng(seed)
    target = (rng.random(count) < 0.4).astype(float)
    days = [START + timedelta(days=row * DAYS // count) for row in range(count)]
    rows = pl.DataFrame({TARGET: target, TIME: days})
    return rows, rng.normal(size=count) + target


@pytest.mark.parametrize("weighted", [False, True])
def test_a_resample_is_scikit_learns_curve_of_rows_that_count_as_often(weighted: bool) -> None:
    rows, predicted = draw(90, 1)  # no more cuts than rows: every threshold is one
    target = rows[TARGET].to_numpy()
    weights = np.random.default_rng(2).uniform(0.5, 2, len(rows)) if weighted else None
    groups = np.arange(len(rows)) * DAYS // len(rows)
    drawn = draw_groups(DAYS, 1)[:1]
    hits, misses = (drawn @ each for each in count_by_group(target, predicted, groups, weights))
    counts = drawn[0, groups] * (1 if weights is None else weights)
    precision, recall, _ = precision_recall_curve(target, predicted, sample_weight=counts)
    drawn_rows = counts[np.argsort(-predicted)] > 0
    told = (hits + misses)[0, drawn_rows]
    assert (hits[0, drawn_rows] / told)[::-1] == pytest.approx(precision[:-1], abs=1e-9)
    assert (hits / hits[0, -1])[0, drawn_rows][::-1] == pytest.approx(recall[:-1], abs=1e-9)
    alarms, found, _ = roc_curve(target, predicted, sample_weight=counts, drop_intermediate=False)
    between = np.unique(alarms.round(9))
    between = (between[1:] + between[:-1]) / 2  # where the curve rises, a rate has several others
    read = read_roc(between, hits, misses)[0]
    assert read == pytest.approx(np.interp(between, alarms, found), abs=1e-9)
    whole = read_precision(np.array([1.0]), hits, misses)[0, 0]
    last = precision[recall == 1]
    assert last.min() - 1e-9 <= whole <= last.max() + 1e-9


def test_the_band_holds_the_curve_and_stays_within_shares() -> None:
    rows, predicted = draw(2_000, 3)
    found = bound_curves(DEFINITION, (), rows, predicted)
    for name, of in {"roc": "true_positive_rate", "precision_recall": "precision"}.items():
        low, value, high = (np.array(found[name][each]) for each in ("low", of, "high"))
        assert len(low) == len(value) <= 100
        assert (low <= value + 1e-5).all()
        assert (value <= high + 1e-5).all()
        assert low.min() >= 0
        assert high.max() <= 1
        assert (high - low)[len(low) // 2] == pytest.approx(0.1, abs=0.09)


def test_the_band_holds_the_true_curve_about_as_often_as_it_says() -> None:
    place, held = 0.3, 0
    truth = norm.sf(norm.isf(place) - 1)
    for seed in range(100):
        rows, predicted = draw(600, seed)
        roc = bound_curves(DEFINITION, (), rows, predicted)["roc"]
        low, high = (
            np.interp(place, roc["false_positive_rate"], roc[end]) for end in ("low", "high")
        )
        held += bool(low <= truth <= high)
    assert 0.88 <= held / 100 <= 1


def test_too_few_rows_or_positives_have_no_band() -> None:
    rows, predicted = draw(200, 4)
    few = rows.with_columns(pl.Series(TARGET, [1.0] * 5 + [0.0] * 195))
    for some, scores in ((rows[:15], predicted[:15]), (few, predicted)):
        curves = draw_curves(DEFINITION, (), some[TARGET].to_numpy(), scores)
        assert bound_curves(DEFINITION, (), some, scores) == curves


def test_a_hundred_thousand_rows_take_less_than_a_second_of_the_processor() -> None:
    rows, predicted = draw(100_000, 5)
    start = time.process_time()
    bound_curves(DEFINITION, (), rows, predicted)
    assert time.process_time() - start < 1
