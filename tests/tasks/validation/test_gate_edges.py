"""Each check of the gate at its very edge, and every number and word that it says."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from tasks.core.checks import Check
from tasks.core.columns import TARGET, TIME
from tasks.core.definition import parse_definition
from tasks.evaluation.evaluate import SLICE, calibration_unit
from tasks.evaluation.metrics import (
    Array,
    Interval,
    compare_calibration,
    compare_means,
    measure,
    read_certainty,
    row_losses,
)
from tasks.extraction.run_plan import Plan
from tasks.validation.champion_predictions import ChampionPredictions
from tasks.validation.gate import (
    ChampionScores,
    PairedPredictions,
    compare_duel,
    compare_slices,
    describe_champion,
    face,
    group_rows,
    judge,
    judge_better,
    judge_calibration,
    judge_metric,
    judge_plausible,
    judge_rows,
    judge_slices,
)

DEFINITION = """
name = "m"
sources.s = "s.parquet"
target = {{ value = "y", kind = "{kind}" }}
gate = {{ {gate} }}
"""
ROWS = 2_000
START = datetime(2020, 1, 1, tzinfo=UTC)
NUMBER = r"[+-]\d\.\d{4}"
GAIN = rf"better by {NUMBER} \(interval {NUMBER} to {NUMBER}\)"
MARGIN = r"refused if all of that is below -\d\.\d{4}"


def plan_of(kind: str = "binary", gate: str = "") -> Plan:
    definition = parse_definition(DEFINITION.format(kind=kind, gate=gate), "m.toml")
    return Plan.model_construct(definition=definition)


def make_rows(sharpness: float = 1.0) -> pl.DataFrame:
    """Make rows of 40 days whose chance is known, predictions of it, and four slices of a level."""
    random = np.random.default_rng(1)
    odds = random.normal(-1, 1, ROWS)
    chance = 1 / (1 + np.exp(-odds))
    return pl.DataFrame(
        {
            TIME: [START + timedelta(minutes=29 * row) for row in range(ROWS)],
            TARGET: (random.random(ROWS) < chance) * 1.0,
            "predicted": 1 / (1 + np.exp(-sharpness * odds)),
            "baseline": np.full(ROWS, 0.3),
            "simple": np.full(ROWS, 0.3),
            f"{SLICE}half": np.where(np.arange(ROWS) % 2 == 0, "even", "odd"),
            f"{SLICE}few": np.where(np.arange(ROWS) < 199, "few", "many"),
        }
    )


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
        assert judge_rows(plan_of(gate="rows = 100"), labelled) == Check(
            name="holdout_rows",
            passed=rarer >= 10,
            detail="100 rows in the holdout, at least 100 asked for; "
            f"{rarer} of the rarer class, at least 10",
            numbers={"rows": 100, "least": 100, "rarer": rarer, "least_rarer": 10},
        )


def test_two_rows_of_a_class_are_needed_and_values_have_none() -> None:
    found = judge_rows(plan_of(gate="rows = 20"), make_rows())
    assert found.numbers["least_rarer"] == 2
    assert found.detail.startswith("2,000 rows in the holdout, at least 20 asked for; ")
    values = judge_rows(plan_of("regression", "rows = 1999"), make_rows())
    assert values == Check(
        name="holdout_rows",
        passed=True,
        detail="2,000 rows in the holdout, at least 1,999 asked for",
        numbers={"rows": 2000, "least": 1999},
    )
    assert not judge_rows(plan_of("regression", "rows = 2001"), make_rows()).passed


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
    plan, rows = plan_of(), make_rows()
    duel = face(plan, rows, rows["baseline"])
    found = judge_better(plan, "beats_baseline", duel)
    assert (found.name, found.passed) == ("beats_baseline", True)
    sides = r"auc 0\.\d{4} against 0\.5000"
    assert re.fullmatch(rf"{sides}: {GAIN}; all of that must be above 0", found.detail)
    assert found.numbers == numbers_of(compare_duel(plan, "auc", duel))
    assert not judge_better(plan, "beats_simple_model", face(plan, rows, rows["predicted"])).passed


def test_duel_sets_the_candidate_against_another_on_the_same_rows() -> None:
    plan, rows = plan_of(), make_rows()
    for theirs in (rows["simple"], rows["simple"].to_numpy()):
        duel = face(plan, rows, theirs)
        assert duel.rows is rows
        assert duel.target.tolist() == rows[TARGET].to_list()
        assert duel.ours.tolist() == rows["predicted"].to_list()
        assert duel.theirs.tolist() == rows["simple"].to_list()
        assert duel.groups.tolist() == group_rows(rows[TIME], 1).tolist()


def test_metric_may_fall_by_a_share_of_the_champions_error() -> None:
    plan, rows = plan_of(), make_rows()
    duel = face(plan, rows, rows["predicted"])
    found = judge_metric(plan, "second_metric", "auc", 0.5, duel, champion_of(0.7, 0.8))
    assert (found.name, found.passed) == ("second_metric", True)
    assert re.fullmatch(rf"auc 0\.7000 against 0\.8000: {GAIN}; {MARGIN}", found.detail)
    assert found.numbers == numbers_of(compare_duel(plan, "auc", duel)) | {
        "margin": pytest.approx(0.1)
    }


def test_calibration_error_is_said_and_its_margin_is_a_share_of_the_outcomes_spread() -> None:
    plan, rows = plan_of(), make_rows()
    duel = face(plan, rows, rows["predicted"])
    found = judge_calibration(plan, duel)
    assert (found.name, found.passed) == ("calibration", True)
    assert re.fullmatch(
        rf"calibration error (0\.\d{{4}}) against \1: {GAIN}; {MARGIN}", found.detail
    )
    spread = np.sqrt(rows["predicted"] * (1 - rows["predicted"])).mean()
    assert 0 < float(str(found.numbers["margin"])) < 0.05 * float(spread)


def test_slice_that_lost_more_than_it_may_is_named_with_by_how_much() -> None:
    plan, rows = plan_of(), make_rows()
    fair = judge_slices(plan, face(plan, rows, rows["predicted"]))
    assert fair == Check(
        name="slices",
        passed=True,
        detail="none of 3 slices is surely worse",
        numbers={"slices": 3, "worse": 0, "lowest": fair.numbers["lowest"], "by": 0.0},
    )
    odd = pl.col(f"{SLICE}half") == "odd"
    wronged = rows.with_columns(predicted=pl.when(odd).then(0.9).otherwise("predicted"))
    duel = face(plan, wronged, rows["predicted"])
    found, gains = judge_slices(plan, duel), compare_slices(plan, duel)
    assert not found.passed
    assert found.numbers["lowest"] == "half = odd"
    assert found.numbers["by"] == gains["half = odd"][0].value
    assert found.numbers["worse"] == 2
    by, many = (-gains[name][0].value for name in ("half = odd", "few = many"))
    assert found.detail == (
        "of 3 slices, log_loss is surely worse on "
        f"half = odd (by {by:.4f}), few = many (by {many:.4f})"
    )


def test_only_slices_with_enough_rows_are_compared_by_their_own_loss() -> None:
    rows = make_rows()
    assert set(compare_slices(plan_of(), duel_of(rows))) == {
        "half = even",
        "half = odd",
        "few = many",
    }
    with_few = compare_slices(plan_of(gate="slice_rows = 199"), duel_of(rows))
    assert "few = few" in with_few
    few = rows.head(199)
    target, theirs = few[TARGET].to_numpy(), few["simple"].to_numpy()
    loss = -(target * np.log(theirs) + (1 - target) * np.log(1 - theirs)).mean()
    assert with_few["few = few"][1] == pytest.approx(0.02 * loss)
    ours = few["predicted"].to_numpy()
    gain = loss + (target * np.log(ours) + (1 - target) * np.log(1 - ours)).mean()
    assert with_few["few = few"][0].value == pytest.approx(gain)


def duel_of(rows: pl.DataFrame) -> PairedPredictions:
    return face(plan_of(), rows, rows["simple"])


def test_intervals_of_many_slices_are_wider_than_that_of_one() -> None:
    rows = make_rows()
    one = rows.drop(f"{SLICE}few").filter(pl.col(f"{SLICE}half") == "odd")
    alone = compare_slices(plan_of(), duel_of(one))["half = odd"][0]
    among = compare_slices(plan_of(), duel_of(rows))["half = odd"][0]
    assert among.value == pytest.approx(alone.value)
    assert among.high - among.low > 1.1 * (alone.high - alone.low)


def test_of_many_slices_the_worst_three_are_named_and_values_lose_squared_error() -> None:
    rows = make_rows().with_columns(
        (pl.int_range(pl.len()) % 5).cast(pl.String).alias(f"{SLICE}fifth")
    )
    spoiled = rows.with_columns(predicted=pl.col("predicted") + 3)
    plan = plan_of("regression")
    found = judge_slices(plan, face(plan, spoiled, rows["predicted"]))
    assert found.numbers["worse"] == found.numbers["slices"] == 8
    assert found.detail.startswith("of 8 slices, squared error is surely worse on ")
    assert found.detail.count(" (by ") == 3
    assert found.detail.endswith(") and 5 more")
    three = rows.drop(f"{SLICE}fifth").with_columns(predicted=pl.col("predicted") + 3)
    few = judge_slices(plan, face(plan, three, rows["predicted"]))
    assert "more" not in few.detail


def test_without_a_slice_none_is_worse() -> None:
    rows = make_rows().drop(f"{SLICE}half", f"{SLICE}few")
    plan = plan_of()
    assert judge_slices(plan, face(plan, rows, rows["simple"])).numbers == {
        "slices": 0, "worse": 0, "lowest": "", "by": 0.0,
    }  # fmt: skip


def test_champion_is_described_on_the_rows_of_the_duel() -> None:
    plan, rows = plan_of(), make_rows()
    opponent = ChampionPredictions(version="v3", model="twin", inside=np.ones(ROWS, bool))
    found = describe_champion(plan, opponent, face(plan, rows, rows["simple"]))
    assert (found.version, found.model, found.rows) == ("v3", "twin", ROWS)
    assert found.metrics == measured(rows, "simple")
    assert found.candidate == measured(rows, "predicted")


def measured(rows: pl.DataFrame, name: str) -> dict[Any, float]:
    return measure("binary", rows[TARGET].to_numpy(), rows[name].to_numpy(), 0.5)


def test_champion_that_cannot_be_compared_is_said_in_full() -> None:
    verdict = judge(plan_of(), make_rows(), ChampionPredictions(version="v7", reason="it is gone"))
    assert verdict.champion is None
    assert verdict.checks[-1] == Check(
        name="champion_is_comparable",
        passed=False,
        detail="champion v7 cannot be compared: it is gone",
    )
    assert [each.name for each in judge(plan_of(), make_rows(), None).checks] == [
        "holdout_rows",
        "beats_baseline",
        "beats_baseline_on_loss",
        "beats_simple_model",
        "calibrated",
    ]


def days(count: int, each: int = 1) -> pl.Series:
    times = [START + timedelta(days=day) for day in range(count) for _ in range(each)]
    return pl.Series(times, dtype=pl.Datetime("us", "UTC"))


def test_twenty_days_are_enough_to_draw_days_and_nineteen_are_not() -> None:
    assert group_rows(days(20, 3), 1).tolist() == [day for day in range(20) for _ in range(3)]
    nineteen: Array = group_rows(days(19, 3), 1)
    assert nineteen.tolist() == [row * 11 // 57 for row in range(57)]
    assert group_rows(days(1, 1_000), 1).tolist() == [row * 50 // 1_000 for row in range(1_000)]
    assert group_rows(days(1, 4), 1).tolist() == [0, 0, 0, 0]


def test_five_hundred_groups_are_the_most() -> None:
    assert group_rows(days(500), 1).tolist() == list(range(500))
    assert group_rows(days(1_000), 1).tolist() == [day // 2 for day in range(1_000)]


def test_rows_without_a_time_are_grouped_by_the_seed() -> None:
    timeless = pl.Series([None] * 1_000, dtype=pl.Datetime("us", "UTC"))
    assert group_rows(timeless, 1).tolist() == group_rows(timeless, 1).tolist()
    assert group_rows(timeless, 1).tolist() != group_rows(timeless, 2).tolist()
    assert np.bincount(group_rows(timeless, 1)).tolist() == [5] * 200


def test_an_equal_is_not_worse_even_where_nothing_may_be_lost() -> None:
    plan, rows = plan_of(gate="slice_margin = 0.0, calibration_margin = 0.0"), make_rows()
    duel = face(plan, rows, rows["predicted"])
    assert judge_metric(plan, "second_metric", "auc", 0.0, duel, champion_of(0.7, 0.7)).passed
    assert judge_slices(plan, duel).passed
    assert judge_calibration(plan, duel).passed


def test_each_of_three_slices_has_a_third_of_the_doubt() -> None:
    rows = make_rows()
    gain = compare_slices(plan_of(), duel_of(rows))["half = odd"][0]
    odd = rows.filter(pl.col(f"{SLICE}half") == "odd")
    ours, theirs = (
        row_losses("log_loss", odd[TARGET].to_numpy(), odd[name].to_numpy())
        for name in ("predicted", "simple")
    )
    groups = group_rows(odd[TIME], 1)
    assert gain == compare_means(ours, theirs, groups, confidence=1 - 0.05 / 3)


def test_calibration_of_values_is_said_in_shares_of_the_outcomes_spread() -> None:
    rows = make_rows().with_columns(pl.col(TARGET, "predicted", "simple") * 50)
    plan, duel = plan_of("regression"), face(plan_of("regression"), rows, rows["simple"] * 1.01)
    found, unit = judge_calibration(plan, duel), calibration_unit(plan, duel.target)
    assert unit > 10
    spread = read_certainty(duel.target, duel.theirs)[0].std()
    assert found.numbers["margin"] == pytest.approx(0.02 * spread / unit)
    whole = compare_calibration(
        duel.target, duel.ours, duel.theirs, duel.groups, confidence=0.95, seed=1
    )
    for name, value in numbers_of(whole).items():
        assert found.numbers[name] == pytest.approx(value / unit)
