"""Each level is shifted to where its share of rows lies, by rows that its forest never saw."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from quantiles import LEVELS, grow_crossing, prepare_quantiles
from tables import Project
from uncertain import COUNT, UNCERTAIN

from tasks.core.columns import TARGET, TIME, WEIGHT
from tasks.preparation.split import SplitRole
from tasks.training.datasets import model_input
from tasks.training.quantile_forest import add_constants
from tasks.training.quantile_shifts import find_shifts
from tasks.training.train import read_model, refit_model, train_models

GROWN = UNCERTAIN.with_columns(y=pl.col("y") + 3 * pl.col("id") / COUNT)


def test_constants_are_added_to_each_output_and_to_what_explains_it() -> None:
    forest, rows = grow_crossing(), np.random.default_rng(1).normal(size=(50, 2))
    shifts = [0.1 + 0.2, -1e-9, 123.0]
    shifted = read_model(add_constants(forest.model_to_string(), shifts))
    before, after = (np.asarray(each.predict(rows)) for each in (forest, shifted))
    assert after == pytest.approx(before + shifts, abs=1e-12)
    told = np.asarray(shifted.predict(rows, pred_contrib=True)).reshape(50, 3, 3)
    assert told.sum(axis=2) == pytest.approx(after, abs=1e-9)


def test_shift_is_the_levels_own_quantile_of_its_residuals() -> None:
    draw = np.random.default_rng(2)
    found = pl.DataFrame({f"residual_{place}": draw.normal(size=4_000) for place in range(3)})
    plain = found.with_columns(pl.lit(None, pl.Datetime("us")).alias(TIME))
    assert find_shifts((0.1, 0.5, 0.9), plain) == pytest.approx([-1.28, 0.0, 1.28], abs=0.06)
    heavy = pl.Series(WEIGHT, np.where(found["residual_1"] > 0, 3.0, 1.0))
    assert find_shifts((0.1, 0.5, 0.9), plain.with_columns(heavy))[1] > 0.3
    assert find_shifts((0.1, 0.5, 0.9), plain.head(50)) == [
        0.0,
        find_shifts(LEVELS, plain.head(50))[1],
        0.0,
    ]
    assert find_shifts((0.1, 0.5, 0.9), plain.head(0)) == [0.0, 0.0, 0.0]


def test_shares_hold_where_the_target_grows_and_bytes_are_the_same_again(
    made: Project, tmp_path: Path
) -> None:
    plan, _, prepared = prepare_quantiles(made, GROWN)
    texts = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        trained = train_models(plan, prepared, tmp_path / name)
        released = refit_model(plan, prepared, trained, tmp_path / name)
        texts.append([each.read_bytes() for each in (trained.twin, released)])
    assert texts[0] == texts[1]
    rows = prepared.scan(SplitRole.HOLDOUT).collect()
    numbers, target = model_input(rows.select("x", "s", "c")), rows[TARGET].to_numpy()
    twin, rounds = read_model(trained.twin.read_text()), trained.rounds
    off = []
    for count in (rounds, rounds + 1):
        below = target[:, None] < np.sort(np.asarray(twin.predict(numbers, num_iteration=count)))
        off.append(np.abs(below.mean(axis=0) - LEVELS))
    assert twin.current_iteration() == rounds + 1
    assert off[1].mean() < off[0].mean() / 2
    assert off[1].max() < 0.12
