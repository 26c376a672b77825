"""The worst stretch of time is held against its bound, by its interval."""

from datetime import UTC, datetime

import pytest
from tables import define

from tasks.core.definition import Definition, parse_definition
from tasks.evaluation.bootstrap import Interval
from tasks.evaluation.rolling_origin import Fold
from tasks.validation.fold_check import judge_folds


def fold(value: float, reach: float = 0.02) -> Fold:
    return Fold(
        start=datetime(2020, 1, 1, tzinfo=UTC),
        end=datetime(2020, 2, 1, tzinfo=UTC),
        learned=100,
        rows=100,
        metrics={"auc": value, "log_loss": value},
        interval=Interval(value=value, low=value - reach, high=value + reach),
    )


def asking(bound: str, metric: str = "auc") -> Definition:
    gate = f'metric = "{metric}"\n{bound}'
    return parse_definition(define(training="folds = 2", gate=gate), "made.toml")


@pytest.mark.parametrize(
    ("metric", "bound", "passed"),
    [
        ("auc", 0.61, True),
        ("auc", 0.63, False),
        ("log_loss", 0.69, True),
        ("log_loss", 0.67, False),
    ],
)
def test_what_is_surely_beyond_the_bound_is_refused(
    metric: str, bound: float, passed: bool
) -> None:
    definition = asking(f"worst_fold = {bound}", metric)
    (check,) = judge_folds(definition, (fold(0.7), fold(0.6)))
    assert check.passed is passed
    assert check.numbers["metric"] == (0.6 if metric == "auc" else 0.7)
    assert "2020-01-01 to 2020-02-01" in check.detail


def test_a_fold_with_another_interval_may_sink_it() -> None:
    (check,) = judge_folds(asking("worst_fold = 0.63"), (fold(0.6, reach=0.2), fold(0.605, 0.01)))
    assert not check.passed


def test_nobody_judges_what_was_not_asked_for() -> None:
    assert list(judge_folds(asking(""), (fold(0.1),))) == []
