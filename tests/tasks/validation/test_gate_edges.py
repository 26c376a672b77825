"""Each check of the gate at its very edge, and every number and word that it says."""

import re
from typing import Any

import numpy as np
import polars as pl
import pytest
from scored import definition_of, make_rows

from tasks.core.checks import Check
from tasks.core.columns import TARGET
from tasks.evaluation.bootstrap import compare_calibration
from tasks.evaluation.calibration import calibration_unit
from tasks.evaluation.interval import Interval
from tasks.evaluation.metrics import read_certainty
from tasks.validation.calibration_checks import judge_calibration
from tasks.validation.champion_comparison import (
    ChampionScores,
    compare_pair,
    pair_predictions,
)
from tasks.validation.champion_predictions import ChampionPredictions
from tasks.validation.gate import (
    judge,
    judge_better,
    judge_metric,
    judge_plausible,
    judge_rows,
)
from tasks.validation.slice_check import judge_slices

NUMBER = r"[+-]\d\.\d{4}"
GAIN = rf"(better|worse) by \d\.\d{{4}} \(interval {NUMBER} to {NUMBER}\)"
MARGIN = r"refused if all of that is below -\d\.\d{4}"


def champion_of(ours: float, theirs: float) -> ChampionScores:
    return ChampionScores(
        version="v", model="released", rows=9, metrics={"auc": theirs}, candidate={"auc": ours}
    )


def numbers_of(gain: Interval) -> dict[str, Any]:
    return gain.model_dump()


def test_a_candidate_with_a_bit_more_than_a_tenth_of_the_rows_of_a_class_has_enough() -> None:
    rows = make_rows().head(100)
    for positive in (9, 10, 90, 91):
        labelled = rows.with_columns(
            (pl.int_range(pl.len()) < positive).cast(pl.Float64).alias(TARGET)
        )
        rarer = min(positive, 100 - positive)
        assert judge_rows(definition_of(gate="rows = 100"), labelled) == Check(
            name="holdout_rows",
            passed=rarer >= 10,
            detail="100 rows in the holdout, at least 100 asked for; "
            f"{rarer} of the rarer class, at least 10",
            numbers={"rows": 100, "least": 100, "rarer": rarer, "least_rarer": 10},
        )


def test_two_rows_of_a_class_are_needed_and_values_have_none() -> None:
    found = judge_rows(definition_of(gate="rows = 20"), make_rows())
    assert found.numbers["least_rarer"] == 2
    assert found.detail.startswith("2,000 rows in the holdout, at least 20 asked for; ")
    values = judge_rows(definition_of("regression", "rows = 1999"), make_rows())
    assert values == Check(
        name="holdout_rows",
        passed=True,
        detail="2,000 rows in the holdout, at least 1,999 asked for",
        numbers={"rows": 2000, "least": 1999},
    )
    assert not judge_rows(definition_of("regression", "rows = 2001"), make_rows()).passed


@pytest.mark.parametrize(
    ("ours", "theirs", "passed", "left"),
    [(0.4, 1.0, True, 0.4), (0.25, 1.0, False, 0.25), (0.0, 0.0, True, 1.0), (0.8, 2.0, True, 0.4)],
)
def test_four_tenths_of_the_champions_error_may_be_left_at_least(
    ours: float, theirs: float, passed: bool, left: float
) -> None:
    champion = ChampionScores(
        version="v",
        model="released",
        rows=9,
        metrics={"log_loss": theirs},
        candidate={"log_loss": ours},
    )
    assert judge_plausible("log_loss", champion) == Check(
        name="plausible",
        passed=passed,
        detail=f"log_loss {ours:.4f} against {theirs:.4f}; refused if less than 40% of the "
        "champion's error is left: then a feature may hold what is to be predicted",
        numbers={"left": left, "least": 0.4},
    )


def test_better_is_better_by_the_whole_interval_and_an_equal_is_not() -> None:
    definition, rows = definition_of(), make_rows()
    pair = pair_predictions(definition, rows, rows["baseline"])
    found = judge_better(definition, "beats_baseline", pair)
    assert (found.name, found.passed) == ("beats_baseline", True)
    sides = r"auc 0\.\d{4} against 0\.5000"
    assert re.fullmatch(rf"{sides}: {GAIN}; all of that must be above 0", found.detail)
    assert found.numbers == numbers_of(compare_pair(definition, "auc", pair))
    assert not judge_better(
        definition, "beats_simple_model", pair_predictions(definition, rows, rows["predicted"])
    ).passed


def test_metric_may_fall_by_a_share_of_the_champions_error() -> None:
    definition, rows = definition_of(), make_rows()
    pair = pair_predictions(definition, rows, rows["predicted"])
    found = judge_metric(definition, "second_metric", "auc", 0.5, pair, champion_of(0.7, 0.8))
    assert (found.name, found.passed) == ("second_metric", True)
    assert re.fullmatch(rf"auc 0\.7000 against 0\.8000: {GAIN}; {MARGIN}", found.detail)
    assert found.numbers == numbers_of(compare_pair(definition, "auc", pair)) | {
        "margin": pytest.approx(0.1)
    }


def test_calibration_error_is_said_and_its_margin_is_a_share_of_the_outcomes_spread() -> None:
    definition, rows = definition_of(), make_rows()
    pair = pair_predictions(definition, rows, rows["predicted"])
    found = judge_calibration(definition, pair)
    assert (found.name, found.passed) == ("calibration", True)
    assert re.fullmatch(
        rf"calibration error (0\.\d{{4}}) against \1: {GAIN}; {MARGIN}", found.detail
    )
    spread = np.sqrt(rows["predicted"] * (1 - rows["predicted"])).mean()
    assert 0 < float(str(found.numbers["margin"])) < 0.05 * float(spread)


def test_champion_that_cannot_be_compared_is_said_in_full() -> None:
    verdict = judge(
        definition_of(), make_rows(), ChampionPredictions(version="v7", reason="it is gone")
    )
    assert verdict.champion is None
    assert verdict.checks[-1] == Check(
        name="champion_is_comparable",
        passed=False,
        detail="champion v7 cannot be compared: it is gone",
    )
    assert [each.name for each in judge(definition_of(), make_rows(), None).checks] == [
        "holdout_rows",
        "beats_baseline",
        "beats_baseline_on_loss",
        "beats_simple_model",
        "calibrated",
    ]


def test_an_equal_is_not_worse_even_where_nothing_may_be_lost() -> None:
    definition, rows = (
        definition_of(gate="slice_margin = 0.0, calibration_margin = 0.0"),
        make_rows(),
    )
    pair = pair_predictions(definition, rows, rows["predicted"])
    assert judge_metric(definition, "second_metric", "auc", 0.0, pair, champion_of(0.7, 0.7)).passed
    assert judge_slices(definition, pair).passed
    assert judge_calibration(definition, pair).passed


def test_calibration_of_values_is_said_in_shares_of_the_outcomes_spread() -> None:
    rows = make_rows().with_columns(pl.col(TARGET, "predicted", "simple") * 50)
    definition, pair = (
        definition_of("regression"),
        pair_predictions(definition_of("regression"), rows, rows["simple"] * 1.01),
    )
    found, unit = (
        judge_calibration(definition, pair),
        calibration_unit(definition.target.kind, pair.target),
    )
    assert unit > 10
    spread = read_certainty(pair.target, pair.theirs)[0].std()
    assert found.numbers["margin"] == pytest.approx(0.02 * spread / unit)
    whole = compare_calibration(
        pair.target, pair.ours, pair.theirs, pair.groups, confidence=0.95, seed=1
    )
    for name, value in numbers_of(whole).items():
        assert found.numbers[name] == pytest.approx(value / unit)
