"""A forest for each level in one model, which predicts as each by itself does."""

from typing import Any

import lightgbm
import numpy as np
import pytest
from sklearn.metrics import mean_pinball_loss  # type: ignore[import-untyped]

from tasks.core.model_sections import Training
from tasks.prediction.compiled_forest import compile_forest
from tasks.training.quantile_forest import grow_quantiles, settle_quantiles

LEVELS = (0.1, 0.5, 0.9)
PARAMS: dict[str, bool | int | float | str] = {
    "objective": "quantile", "verbosity": -1, "num_threads": 1, "seed": 1, "deterministic": True,
    "force_row_wise": True, "categorical_column": "2",
}  # fmt: skip
_DRAW = np.random.default_rng(3)
X = np.column_stack([_DRAW.uniform(0, 10, (3_000, 2)), _DRAW.integers(0, 9, 3_000)])
Y = 3 * X[:, 0] + X[:, 2] + _DRAW.normal(size=3_000) * (0.3 + X[:, 1] / 2)


def bin_rows(rows: slice) -> lightgbm.Dataset:
    return lightgbm.Dataset(X[rows], Y[rows], params=dict(PARAMS), free_raw_data=False)


def test_joined_model_predicts_as_each_forest_does() -> None:
    joined = grow_quantiles(LEVELS, PARAMS, bin_rows(slice(2_000)), 20)
    predicted = np.asarray(joined.predict(X))
    for place, level in enumerate(LEVELS):
        alone = lightgbm.train({**PARAMS, "alpha": level}, bin_rows(slice(2_000)), 20)
        assert predicted[:, place].tolist() == np.asarray(alone.predict(X)).tolist()
    text = joined.model_to_string()
    again = lightgbm.Booster(model_str=text)
    assert again.model_to_string() == text
    added = np.asarray(again.predict(X, pred_contrib=True)).reshape(len(X), 3, -1).sum(axis=2)
    assert added == pytest.approx(predicted, abs=1e-9)
    compiled = compile_forest(text, 3, lambda rows: np.asarray(again.predict(rows)))
    assert compiled.predict(X).tolist() == predicted.tolist()


def test_rounds_are_those_of_the_least_mean_pinball_loss() -> None:
    judged = bin_rows(slice(2_000, 3_000))
    training = Training(rounds=300, early_stopping=20)
    train = bin_rows(slice(2_000))
    judged.set_reference(train)
    rounds, losses, model = settle_quantiles(training, LEVELS, PARAMS, train, judged)
    assert rounds == np.argmin(losses) + 1 == len(losses) - 20
    predicted = np.asarray(model.predict(X[2_000:], num_iteration=rounds))
    pairs = zip(LEVELS, predicted.T, strict=True)
    wanted = [mean_pinball_loss(Y[2_000:], each, alpha=level) for level, each in pairs]
    assert losses[rounds - 1] == pytest.approx(np.mean(wanted), rel=1e-6)  # labels are float32
    patient = Training(rounds=5, early_stopping=0)
    assert settle_quantiles(patient, LEVELS, PARAMS, train, judged)[0] == 5


def test_forest_that_cannot_grow_on_is_filled_up() -> None:
    told: list[Any] = []
    few = {**PARAMS, "min_data_in_leaf": 5, "min_gain_to_split": 1.5}
    rows = lightgbm.Dataset(X[:60], Y[:60], params=few)
    joined = grow_quantiles(LEVELS, few, rows, 200, told.append)
    assert [each.iteration for each in told] == list(range(200))
    predicted = np.asarray(joined.predict(X))
    counts = []
    for place, level in enumerate(LEVELS):
        alone = lightgbm.train({**few, "alpha": level}, lightgbm.Dataset(X[:60], Y[:60]), 200)
        assert predicted[:, place].tolist() == np.asarray(alone.predict(X)).tolist()
        counts.append(alone.num_trees())
    assert len(set(counts)) > 1, "or nothing was to be filled up"
    assert joined.num_trees() == 3 * max(counts)
