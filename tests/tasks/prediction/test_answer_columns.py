"""Contributions are LightGBM's own, those that count most come first, and none is invented."""

from typing import Any

import lightgbm
import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from quantiles import grow_crossing
from scored import definition_of
from tables import define

from tasks.core.definition import parse_definition
from tasks.core.errors import DefinitionError
from tasks.prediction import answer_columns
from tasks.prediction.answer_columns import (
    check_explainable,
    explain_rows,
    find_outputs,
    put_beside,
    tell_predictions,
)

NAMES = ["idle", "b", "a", "still"]  # the first and the last are constant: no tree asks for them
_NUMBERS = np.random.default_rng(1).normal(size=(2, 500))
ROWS = pl.DataFrame({"idle": 1.0, "b": _NUMBERS[0], "a": _NUMBERS[1], "still": 2.0})
SUM = _NUMBERS[0] + 2 * _NUMBERS[1]


def train(**params: Any) -> lightgbm.Booster:
    given = {"verbosity": -1, "num_threads": 1, "num_leaves": 7, "objective": "regression"} | params
    label = np.digitize(SUM, [-1, 1]) if "num_class" in given else SUM
    data = lightgbm.Dataset(ROWS, label, params=dict(given))
    return lightgbm.Booster(model_str=lightgbm.train(given, data, 10).model_to_string())


def explain(booster: lightgbm.Booster, most: int = 4) -> pl.DataFrame:
    return explain_rows(booster, NAMES, ROWS, np.zeros(len(ROWS), np.intp), most)


def test_largest_come_first_and_equal_ones_in_the_features_order() -> None:
    booster = train()
    told, wanted = explain(booster), booster.predict(ROWS, pred_contrib=True)
    assert told.columns[:3] == ["base", "reason_1", "contribution_1"]
    for row, contributions in zip(told.iter_rows(named=True), wanted, strict=True):
        given = {row[f"reason_{n}"]: row[f"contribution_{n}"] for n in (1, 2, 3, 4)}
        assert given == dict(zip(NAMES, contributions, strict=False))
        sizes = [abs(value) for value in given.values()]
        assert sizes == sorted(sizes, reverse=True)
        assert (row["base"], list(given)[2:]) == (contributions[-1], ["idle", "still"])
    sums = told.select(pl.sum_horizontal("base", "^contribution_.*$")).to_series()
    np.testing.assert_allclose(sums, booster.predict(ROWS, raw_score=True), rtol=1e-12)


def test_fewer_are_the_first_of_more() -> None:
    booster = train()
    assert_frame_equal(explain(booster, 2), explain(booster)[:, :5], check_exact=True)


def test_wide_model_is_explained_in_pieces_of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    booster, outputs = train(objective="multiclass", num_class=3), np.arange(len(ROWS)) % 3
    whole = explain_rows(booster, NAMES, ROWS, outputs, 3)
    for cells in (1, 100):
        monkeypatch.setattr(answer_columns, "CELLS", cells)
        pieces = explain_rows(booster, NAMES, ROWS, outputs, 3)
        assert_frame_equal(pieces, whole, check_exact=True)


def test_each_row_is_explained_by_its_own_class() -> None:
    booster = train(objective="multiclass", num_class=3)
    outputs = booster.predict(ROWS).argmax(axis=1)
    assert set(outputs) == {0, 1, 2}
    told = explain_rows(booster, NAMES, ROWS, outputs, 1)
    wanted = booster.predict(ROWS, pred_contrib=True).reshape(len(ROWS), 3, 5)
    for row, output, classes in zip(told.rows(), outputs, wanted, strict=True):
        place = np.abs(classes[output, :-1]).argmax()
        assert row == (classes[output, -1], NAMES[place], classes[output, place])


def test_no_rows_have_the_same_columns() -> None:
    told = explain_rows(train(), NAMES, ROWS.clear(), np.zeros(0, np.intp), 2)
    assert (len(told), told.schema) == (0, explain(train(), 2).schema)


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5}, "averaged"),
        ({"linear_tree": True}, "no linear trees"),
    ],
)
def test_model_that_lightgbm_explains_wrongly_or_not_is_refused(
    params: dict[str, Any], said: str
) -> None:
    check_explainable("v1", train(boosting="dart").model_to_string())
    with pytest.raises(DefinitionError, match=f"--explain: v1 cannot be explained: .*{said}"):
        check_explainable("v1", train(**params).model_to_string())


def test_key_called_like_an_answer_is_refused() -> None:
    told = tell_predictions(definition_of(), (), np.array([0.25, 0.75]))
    keys = pl.DataFrame({"id": [1, 2], "label": ["a", "b"]})
    assert put_beside(keys.select("id"), told, "v1").columns == ["id", "prediction", "label"]
    assert put_beside(keys.select([]), told, "v1").equals(told)
    with pytest.raises(DefinitionError, match=r"v1: key 'label' is called like a column"):
        put_beside(keys, told, "v1")


def test_predictions_have_their_meaning_beside_them() -> None:
    told = tell_predictions(definition_of(), (), np.array([0.25, 0.75]))
    assert told["label"].to_list() == [False, True]
    chances = np.array([[0.25, 0.75], [0.5, 0.5]])
    told = tell_predictions(definition_of("multiclass"), ("north", "south"), chances)
    assert told.columns == ["label", "probability_north", "probability_south"]
    assert told["label"].to_list() == ["south", "north"]
    assert tell_predictions(definition_of("regression"), (), chances[0]).columns == ["prediction"]


def test_crossed_quantiles_are_explained_by_the_one_that_came_to_the_middle() -> None:
    text = 'value = "y"\nkind = "regression"\nquantiles = [0.45, 0.5, 0.55]'
    definition, booster = parse_definition(define(target=text), "made.toml"), grow_crossing()
    rows = pl.DataFrame(np.random.default_rng(7).normal(size=(200, 2)), schema=["a", "b"])
    raw = np.asarray(booster.predict(rows))
    outputs = find_outputs(definition, booster, rows, np.sort(raw, axis=1))
    middle = raw[np.arange(200), outputs]
    assert middle.tolist() == np.sort(raw, axis=1)[:, 1].tolist()
    told = explain_rows(booster, ["a", "b"], rows, outputs, 2)
    added = told["base"] + told["contribution_1"] + told["contribution_2"]
    assert added.to_numpy() == pytest.approx(middle, abs=1e-9)
    assert find_outputs(definition, booster, rows.head(0), raw[:0]).shape == (0,)
