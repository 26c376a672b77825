"""Rates of groups, their differences with intervals, and the bound that all of these must keep."""

import numpy as np
import polars as pl
import pytest
from scored import definition_of, make_rows
from sklearn.metrics import confusion_matrix
from tables import define

from tasks.core.checks import Check
from tasks.core.columns import TARGET
from tasks.core.definition import parse_definition
from tasks.core.errors import DefinitionError
from tasks.evaluation.slices import FAIR
from tasks.validation.bounds import list_groups
from tasks.validation.champion_comparison import pair_predictions
from tasks.validation.fairness import compare_rates, judge_fairness
from tasks.validation.gate import judge

SEX = f"{FAIR}sex"


def people(unfair: float = 0.0) -> pl.DataFrame:
    """Make two groups alike, and one of them answered yes more often."""
    rows = make_rows().with_columns(
        pl.when(pl.int_range(pl.len()) % 2 == 0).then(pl.lit("F")).otherwise(pl.lit("M")).alias(SEX)
    )
    return rows.with_columns(
        predicted=pl.col("predicted") + pl.when(pl.col(SEX) == "M").then(unfair).otherwise(0.0)
    )


def judge_people(rows: pl.DataFrame, fairness: str) -> list[Check]:
    definition = definition_of(gate=f'fairness = {{ by = ["sex"], {fairness} }}')
    return list(judge_fairness(definition, pair_predictions(definition, rows, rows["baseline"])))


def test_rates_are_those_of_scikit_learn_s_table() -> None:
    rows, definition = people(0.2), definition_of()
    pair = pair_predictions(definition, rows, rows["baseline"])
    groups, _ = list_groups(definition, rows, [SEX])
    for name in ("F", "M"):
        mine = rows.filter(pl.col(SEX) == name)
        said = mine["predicted"].to_numpy() >= 0.5
        (right, wrong), (missed, found) = confusion_matrix(mine[TARGET].to_numpy(), said)
        for rate, value in (
            ("selection_rate", said.mean()),
            ("true_positive_rate", found / (found + missed)),
            ("false_positive_rate", wrong / (wrong + right)),
        ):
            rates, _ = compare_rates(definition, pair, rate, groups)  # type: ignore[arg-type]
            assert rates[f"sex = {name}"] == pytest.approx(value, abs=1e-12)


def test_groups_that_fare_alike_pass_and_others_are_refused_with_both_rates() -> None:
    fair = judge_people(people(), "at_most = 0.25")
    assert [each.name for each in fair] == [
        "fairness_of_selection_rate_by_sex",
        "fairness_of_true_positive_rate_by_sex",
        "fairness_of_false_positive_rate_by_sex",
    ]
    assert all(each.passed for each in fair)
    unfair = judge_people(people(0.3), "at_most = 0.25")
    assert not any(each.passed for each in unfair)
    assert "where sex = M and" in unfair[0].detail
    assert "all of that must be within 0.25" in unfair[0].detail
    difference = float(unfair[0].numbers["difference"] or 0)
    assert difference == pytest.approx(
        float(unfair[0].numbers["sex = M"] or 0) - float(unfair[0].numbers["sex = F"] or 0)
    )


def test_a_difference_that_may_be_chance_is_no_proof() -> None:
    (only,) = judge_people(people(), 'at_most = 0.03, rates = ["selection_rate"]')
    value, high = (float(only.numbers[name] or 0) for name in ("difference", "to"))
    assert abs(value) < 0.03 < high
    assert not only.passed


def test_95_percent_of_intervals_hold_a_difference_of_none() -> None:
    """Answers that hang on nothing, of two groups on the same 40 days."""
    definition, rows = definition_of(), people()
    groups, _ = list_groups(definition, rows, [SEX])
    covered = 0
    for seed in range(200):
        drawn = np.random.default_rng(seed).random(len(rows))
        pair = pair_predictions(definition, rows.with_columns(predicted=drawn), rows["baseline"])
        _, (one,) = compare_rates(definition, pair, "selection_rate", groups)
        covered += one.gain.low <= 0 <= one.gain.high
    assert 0.9 <= covered / 200 <= 0.99


def test_one_group_proves_nothing_and_small_ones_are_counted() -> None:
    rows = people().with_columns(
        pl.when(pl.int_range(pl.len()) < 150).then(pl.lit("F")).otherwise(pl.lit("M")).alias(SEX)
    )
    found = judge_people(rows, 'at_most = 0.5, rates = ["selection_rate"]')
    assert [each.passed for each in found] == [False]
    assert found[0].detail == (
        "fewer than two groups by sex have rows enough to be compared; "
        "1 with too few rows, or too few of a class, are not judged"
    )


def test_the_gate_refuses_by_fairness_without_a_champion() -> None:
    definition = definition_of(gate='fairness = { by = ["sex"], at_most = 0.1 }')
    failed = [each.name for each in judge(definition, people(0.3), None).checks if not each.passed]
    assert "fairness_of_selection_rate_by_sex" in failed


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        (
            {"gate": "fairness = { by = [], at_most = 0.1 }"},
            r"\[gate.fairness\] by: must not be em",
        ),
        (
            {"gate": 'fairness = { by = ["c"], at_most = 1 }'},
            r"\[gate.fairness\] at_most: must be l",
        ),
        ({"gate": 'fairness = { by = ["c"] }'}, r"\[gate.fairness\] at_most: is missing"),
        (
            {"gate": 'fairness = { by = ["c"], at_most = 0.1, rates = ["tpr"] }'},
            r"\[gate.fairness\] rates: must be 'selection_rate', 'true_positive_rate' or",
        ),
        (
            {
                "gate": 'fairness = { by = ["c"], at_most = 0.1 }',
                "target": 'value = "x"\nkind = "regression"',
            },
            r"\[gate\] fairness: is for a binary target, not for regression",
        ),
    ],
)
def test_wrong_use_is_refused_by_key(sections: dict[str, str], said: str) -> None:
    with pytest.raises(DefinitionError, match=said):
        parse_definition(define(**sections), "made.toml")
