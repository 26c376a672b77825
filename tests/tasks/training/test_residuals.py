"""Residuals are of rows that the model had not seen, and whose time or group it had not."""

from datetime import datetime, timedelta

import lightgbm
import numpy as np
import polars as pl
import pytest
from tables import START, Project
from uncertain import SECTIONS, UNCERTAIN

from tasks.core.columns import GROUP, ROW, TARGET, TIME
from tasks.preparation.split import Prepared
from tasks.training.datasets import model_input
from tasks.training.residuals import (
    TRAINING,
    TURN,
    cut_turns,
    judge_training,
    name_residuals,
    weigh_residuals,
)
from tasks.training.train import recall_parameters

NO_TIME = {**SECTIONS, "extract": 'key = ["id"]'}


def read_training(prepared: Prepared) -> pl.DataFrame:
    return prepared.scan(*TRAINING).collect()


def test_a_turn_learns_from_what_was_known_before_it(made: Project) -> None:
    target = {"target": f'{SECTIONS["target"]}\nmatures_after = "36h"'}
    plan, prepared = made.prepare(UNCERTAIN, **{**SECTIONS, **target})
    rows = read_training(prepared)
    turns = cut_turns(plan, prepared, rows)
    judged = np.concatenate([np.flatnonzero(each) for _, each in turns])
    assert judged.tolist() == list(range(judged[0], len(rows)))
    assert judged[0] == pytest.approx(len(rows) / 3, abs=1)
    for learned, inside in turns:
        known = rows[TIME].filter(pl.Series(learned)).max()
        begins = rows[TIME].filter(pl.Series(inside)).min()
        assert isinstance(known, datetime)
        assert isinstance(begins, datetime)
        assert timedelta(hours=36) < begins - known <= timedelta(hours=37)


@pytest.mark.parametrize("timed", [True, False])
def test_no_group_is_on_both_sides_of_a_turn(made: Project, timed: bool) -> None:
    training = {"training": f'group = "g"\n{SECTIONS["training"]}'}
    rows = UNCERTAIN.with_columns(g=pl.col("id") * 7 % 90)
    plan, prepared = made.prepare(rows, **{**(SECTIONS if timed else NO_TIME), **training})
    inside = read_training(prepared)
    turns = cut_turns(plan, prepared, inside)
    assert len(turns) == 5
    for turn in turns:
        learned, judged = (set(inside[GROUP].filter(pl.Series(each))) for each in turn)
        assert not learned & judged


def test_residuals_are_those_of_a_model_trained_by_hand(made: Project) -> None:
    plan, prepared = made.prepare(UNCERTAIN, **NO_TIME)
    params, rows = recall_parameters(plan, prepared), read_training(prepared)
    found = judge_training(
        plan, prepared, params, lambda data: lightgbm.train(dict(params), data, 20)
    )
    assert found[ROW].to_list() == rows[ROW].to_list(), "each row has its turn"
    numbers = model_input(rows.select("x", "s", "c"))
    for turn, (learned, judged) in enumerate(cut_turns(plan, prepared, rows, folds=10)):
        whole = lightgbm.Dataset(numbers.to_numpy(), rows[TARGET].to_numpy(), params=dict(params),
                                 categorical_feature=[2], free_raw_data=False)  # fmt: skip
        model = lightgbm.train(dict(params), whole.subset(np.flatnonzero(learned)), 20)
        predicted = np.asarray(model.predict(numbers.filter(pl.Series(judged))))
        mine = found.filter(pl.col(TURN) == turn)[name_residuals(1)[0]].to_numpy()
        assert mine == pytest.approx(rows[TARGET].to_numpy()[judged] - predicted, abs=1e-9)


def test_few_rows_without_a_time_are_judged_by_models_that_lack_a_tenth(made: Project) -> None:
    """The served model lacks none; one that lacks a fifth is off by more: intervals too wide."""
    plan, prepared = made.prepare(UNCERTAIN, **NO_TIME)
    params = recall_parameters(plan, prepared)
    learned = list[int]()

    def grow(data: lightgbm.Dataset) -> lightgbm.Booster:
        model = lightgbm.train(dict(params), data, 2)
        learned.append(data.num_data())
        return model

    found, rows = judge_training(plan, prepared, params, grow), len(read_training(prepared))
    assert learned == pytest.approx([rows * 0.9] * 10, abs=1)
    assert found[TURN].value_counts()["count"].to_list() == pytest.approx([rows / 10] * 10, abs=1)


def test_newer_residuals_count_for_more_where_there_is_a_time() -> None:
    hours = pl.DataFrame({TIME: [START + timedelta(hours=each // 2) for each in range(20)]})
    weights = weigh_residuals(hours)
    assert weights[-2:].tolist() == [1.0, 1.0]
    assert weights[14:16] == pytest.approx([0.5, 0.5]), "a fifth of them is newer"
    assert (np.diff(weights) >= 0).all()
    none = pl.DataFrame({TIME: pl.Series([None, None], dtype=pl.Datetime("us"))})
    assert weigh_residuals(none).tolist() == [1.0, 1.0]


def test_training_rows_of_one_moment_have_no_turns(made: Project) -> None:
    plan, prepared = made.prepare(UNCERTAIN, **SECTIONS)
    rows = read_training(prepared).with_columns(pl.lit(START).alias(TIME))
    assert cut_turns(plan, prepared, rows) == []
