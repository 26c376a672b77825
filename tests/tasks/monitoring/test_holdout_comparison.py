"""Quality is lost where live rows are surely worse than the holdout, by more than a margin."""

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

from tasks.core.columns import PREDICTION, TARGET, TIME
from tasks.core.definition import Definition
from tasks.evaluation.metrics import area_under_curve
from tasks.evaluation.slices import SLICE
from tasks.monitoring.holdout_comparison import judge_quality, judge_slices

START = datetime(2013, 5, 1)


def define(kind: str = "binary", **monitoring: int) -> Definition:
    return Definition.model_validate(
        {
            "name": "made",
            "sources": {"s": "s.parquet"},
            "target": {"value": "y", "kind": kind},
            "monitoring": monitoring,
        }
    )


def make_rows(seed: int, rows: int = 4000, days: int = 28, signal: float = 1.5) -> pl.DataFrame:
    """Make rows whose chance varies by day too, and predictions that know `signal` of it."""
    draw = np.random.default_rng(seed)
    day = np.sort(draw.integers(0, days, rows))
    logit = draw.normal(0, 1, rows) * signal + draw.normal(0, 0.4, days)[day] - 1
    chance = 1 / (1 + np.exp(-logit))
    return pl.DataFrame(
        {
            TIME: [START + timedelta(days=int(each)) for each in day],
            TARGET: (draw.random(rows) < chance).astype(float),
            PREDICTION: chance,
            f"{SLICE}half": np.where(np.arange(rows) % 2 == 0, "even", "odd"),
        }
    )


def spoil(rows: pl.DataFrame, where: pl.Expr) -> pl.DataFrame:
    """Give the chosen rows the predictions of others."""
    mixed = pl.col(PREDICTION).shuffle(seed=1)
    return rows.with_columns(pl.when(where).then(mixed).otherwise(PREDICTION).alias(PREDICTION))


def test_quality_as_good_as_promised_is_rarely_called_lost() -> None:
    lost = [judge_quality(define(), make_rows(n), make_rows(n + 500)).lost for n in range(40)]
    assert sum(lost) <= 2


def test_spoiled_predictions_are_called_lost_with_both_values() -> None:
    live, holdout = spoil(make_rows(1), pl.lit(True)), make_rows(2)
    found = judge_quality(define(), live, holdout)
    expected = [area_under_curve(*(each[name].to_numpy() for name in (TARGET, PREDICTION)))
                for each in (live, holdout)]  # fmt: skip
    assert found.lost
    assert [found.value, found.holdout] == pytest.approx(expected)
    assert found.gain is not None
    assert found.gain.value == pytest.approx(expected[0] - expected[1])
    assert found.gain.low < found.gain.value < found.gain.high < -found.allowed


def test_too_few_rows_or_one_class_say_nothing() -> None:
    holdout = make_rows(1)
    few = judge_quality(define(), make_rows(2, rows=999), holdout)
    alike = judge_quality(define(), make_rows(2).with_columns(pl.lit(0.0).alias(TARGET)), holdout)
    unlabelled = judge_quality(
        define(), make_rows(2).with_columns(pl.lit(None, pl.Float64).alias(TARGET)), holdout
    )
    assert (few.gain, few.reason) == (None, "1,000 rows with a label are needed")
    assert (alike.gain, alike.reason) == (None, "20 rows of each class are needed")
    assert (unlabelled.rows, unlabelled.lost) == (0, False)


def test_slice_that_alone_got_worse_is_named() -> None:
    odd = pl.col(f"{SLICE}half") == "odd"
    live = make_rows(3, rows=8000)
    spoiled = spoil(live.filter(odd), pl.lit(True))
    found = judge_slices(define(), pl.concat([live.filter(~odd), spoiled]), make_rows(4))
    assert {each.level: each.quality.lost for each in found} == {"even": False, "odd": True}


def test_several_classes_and_values_are_judged_by_their_own_metrics() -> None:
    draw = np.random.default_rng(1)
    times = [START + timedelta(hours=hour) for hour in range(2000)]
    values = pl.DataFrame(
        {TIME: times, TARGET: draw.normal(0, 1, 2000), PREDICTION: draw.normal(0, 0.1, 2000)}
    )
    worse = values.with_columns(pl.col(PREDICTION) + 3)
    assert judge_quality(define("regression"), worse, values).lost
    assert not judge_quality(define("regression"), values, values).lost
    chances = draw.dirichlet([1, 1, 1], 2000)
    classes = pl.DataFrame(
        {
            TIME: times,
            TARGET: [float(draw.choice(3, p=chance)) for chance in chances],
            PREDICTION: chances.tolist(),
        }
    )
    mixed = classes.with_columns(pl.col(PREDICTION).shuffle(seed=1))
    assert judge_quality(define("multiclass"), mixed, classes).lost
    assert not judge_quality(define("multiclass"), classes, classes).lost


def test_slice_that_the_holdout_hardly_had_is_not_judged() -> None:
    live, holdout = make_rows(1), make_rows(2)
    lone = live.with_columns(pl.lit("new").alias(f"{SLICE}lone"))
    assert judge_slices(define(), lone, holdout) == judge_slices(define(), live, holdout)
    elsewhere = live.with_columns(pl.lit("elsewhere").alias(f"{SLICE}half"))
    assert not judge_slices(define(), elsewhere, holdout)
