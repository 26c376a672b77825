"""Where training stops, on rows whose best round is known or counted."""

import lightgbm
import numpy as np
import pytest

from tasks.core.definition import Definition, parse_definition
from tasks.training.early_stopping import find_best_round, warn_of_rounds

QUIET: dict[str, bool | int | float | str] = {"verbosity": -1, "objective": "binary", "seed": 1}
DEFINITION = """
name = "made"
sources.s = "s.parquet"
target = {{ value = "y", kind = "binary" }}
[training]
params = {{ {params} }}
"""


def settle(training: str) -> Definition:
    return parse_definition(DEFINITION.format(params="") + training, "made.toml")


def make_rows(seed: int, params: dict[str, bool | int | float | str]) -> lightgbm.Dataset:
    random = np.random.default_rng(seed)
    x = random.normal(size=(500, 2))
    return lightgbm.Dataset(x, x[:, 0] + 2 * random.normal(size=500) > 0, params=dict(params))


@pytest.mark.parametrize("patience", [5, 20])
def test_training_stops_so_many_rounds_after_the_best(patience: int) -> None:
    best, curve, *_ = find_best_round(
        settle(f"rounds = 200\nearly_stopping = {patience}"),
        QUIET,
        make_rows(1, QUIET),
        make_rows(2, QUIET),
        timed=True,
    )
    assert best == np.argmin(curve) + 1
    assert len(curve) == best + patience


def test_without_patience_the_last_round_is_taken() -> None:
    best, curve, *_ = find_best_round(
        settle("rounds = 9\nearly_stopping = 0"),
        QUIET,
        make_rows(1, QUIET),
        make_rows(2, QUIET),
        timed=True,
    )
    assert best == len(curve) == 9


def test_training_that_ended_at_once_is_warned_of() -> None:
    plain = parse_definition(DEFINITION.format(params=""), "made.toml")
    weighed = parse_definition(DEFINITION.format(params="is_unbalance = true"), "made.toml")
    assert list(warn_of_rounds(plain, 5, (0.5,))) == list(warn_of_rounds(plain, 1, ())) == []
    (said,) = warn_of_rounds(plain, 1, (0.5, 0.6))
    assert said.startswith("early stopping ended training after 1 round: ")
    assert "leave is_unbalance in [training.params] alone" in next(
        warn_of_rounds(weighed, 2, (0.5, 0.6))
    )
