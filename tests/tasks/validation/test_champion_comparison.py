"""Two models on the same rows: made-up rows whose truth is known."""

from typing import Any

import numpy as np
import polars as pl
import pytest
from scored import ROWS, definition_of, make_rows

from tasks.core.columns import TARGET, TIME
from tasks.evaluation.bootstrap import compare_means, group_rows
from tasks.evaluation.metrics import measure, row_losses
from tasks.evaluation.slices import SLICE
from tasks.validation.champion_comparison import (
    PairedPredictions,
    compare_slices,
    describe_champion,
    pair_predictions,
)
from tasks.validation.champion_predictions import ChampionPredictions


def pair_of(rows: pl.DataFrame) -> PairedPredictions:
    return pair_predictions(definition_of(), rows, rows["simple"])


def test_pair_sets_the_candidate_against_another_on_the_same_rows() -> None:
    definition, rows = definition_of(), make_rows()
    for theirs in (rows["simple"], rows["simple"].to_numpy()):
        pair = pair_predictions(definition, rows, theirs)
        assert pair.rows is rows
        assert pair.target.tolist() == rows[TARGET].to_list()
        assert pair.ours.tolist() == rows["predicted"].to_list()
        assert pair.theirs.tolist() == rows["simple"].to_list()
        assert pair.groups.tolist() == group_rows(rows[TIME], 1).tolist()


def test_only_slices_with_enough_rows_are_compared_by_their_own_loss() -> None:
    rows = make_rows()
    assert set(compare_slices(definition_of(), pair_of(rows))) == {
        "half = even",
        "half = odd",
        "few = many",
    }
    with_few = compare_slices(definition_of(gate="slice_rows = 199"), pair_of(rows))
    assert "few = few" in with_few
    few = rows.head(199)
    target, theirs = few[TARGET].to_numpy(), few["simple"].to_numpy()
    loss = -(target * np.log(theirs) + (1 - target) * np.log(1 - theirs)).mean()
    assert with_few["few = few"][1] == pytest.approx(0.02 * loss)
    ours = few["predicted"].to_numpy()
    gain = loss + (target * np.log(ours) + (1 - target) * np.log(1 - ours)).mean()
    assert with_few["few = few"][0].value == pytest.approx(gain)


def test_intervals_of_many_slices_are_wider_than_that_of_one() -> None:
    rows = make_rows()
    one = rows.drop(f"{SLICE}few").filter(pl.col(f"{SLICE}half") == "odd")
    alone = compare_slices(definition_of(), pair_of(one))["half = odd"][0]
    among = compare_slices(definition_of(), pair_of(rows))["half = odd"][0]
    assert among.value == pytest.approx(alone.value)
    assert among.high - among.low > 1.1 * (alone.high - alone.low)


def test_each_of_three_slices_has_a_third_of_the_doubt() -> None:
    rows = make_rows()
    gain = compare_slices(definition_of(), pair_of(rows))["half = odd"][0]
    odd = rows.filter(pl.col(f"{SLICE}half") == "odd")
    ours, theirs = (
        row_losses("log_loss", odd[TARGET].to_numpy(), odd[name].to_numpy())
        for name in ("predicted", "simple")
    )
    groups = group_rows(odd[TIME], 1)
    assert gain == compare_means(ours, theirs, groups, confidence=1 - 0.05 / 3)


def test_champion_is_described_on_the_rows_of_the_pair() -> None:
    definition, rows = definition_of(), make_rows()
    opponent = ChampionPredictions(version="v3", model="twin", inside=np.ones(ROWS, bool))
    found = describe_champion(
        definition, opponent, pair_predictions(definition, rows, rows["simple"])
    )
    assert (found.version, found.model, found.rows) == ("v3", "twin", ROWS)
    assert found.metrics == measured(rows, "simple")
    assert found.candidate == measured(rows, "predicted")


def measured(rows: pl.DataFrame, name: str) -> dict[Any, float]:
    return measure("binary", rows[TARGET].to_numpy(), rows[name].to_numpy(), 0.5)
