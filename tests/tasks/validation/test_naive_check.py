"""A model that does not beat what anybody could have said is refused."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from tables import ROWS, Project, define

from tasks.core.columns import TARGET, TIME
from tasks.core.definition import parse_definition
from tasks.core.errors import DefinitionError
from tasks.evaluation.naive_predictions import NAIVE
from tasks.validation.naive_check import judge_naive

COUNT = 400
NUMBER = 'value = "x"\nkind = "regression"'
FEATURES = 'k = "k"\nc = "c"'
RNG = np.random.default_rng(4)
TRUTH = RNG.normal(size=COUNT)
DEFINITION = parse_definition(
    define(target=NUMBER, features=FEATURES, gate='naive = { "last time" = "k" }'), "made.toml"
)


def score(ours: float, naive: float, silent: int = 0) -> pl.DataFrame:
    """Score rows by a model and a naive prediction that stray so far, of some rows neither."""
    said = pl.Series(TRUTH + naive * RNG.normal(size=COUNT))
    return pl.DataFrame(
        {
            TIME: [datetime(2020, 1, 1, tzinfo=UTC) + timedelta(hours=h) for h in range(COUNT)],
            TARGET: TRUTH,
            "predicted": TRUTH + ours * RNG.normal(size=COUNT),
            NAIVE + "last time": pl.select(
                pl.when(pl.int_range(COUNT) >= silent).then(said)
            ).to_series(),
        }
    )


@pytest.mark.parametrize(
    ("ours", "naive", "passed"), [(0.5, 1, True), (1, 1, False), (1, 0.5, False)]
)
def test_only_what_is_surely_better_passes(ours: float, naive: float, passed: bool) -> None:
    (check,) = judge_naive(DEFINITION, score(ours, naive))
    assert check.name == "beats 'last time'"
    assert check.passed is passed
    assert {"value", "low", "high"} <= check.numbers.keys()


def test_rows_of_which_it_says_nothing_are_left_out_and_counted() -> None:
    (check,) = judge_naive(DEFINITION, score(0.5, 1, silent=40))
    assert check.passed
    assert check.detail.endswith("it says something of 360 of 400 rows")
    (silent,) = judge_naive(DEFINITION, score(0.5, 1, silent=300))
    assert not silent.passed
    assert "too few to judge by" in silent.detail


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"gate": 'naive = { last = "xx" }'}, r"\[gate\] naive 'last': .*'x'"),
        ({"gate": 'naive = { last = "c" }'}, r"\[gate\] naive 'last': gives String"),
        ({"gate": 'naive = { last = "SUM(k)" }'}, r"\[gate\] naive 'last': is an aggregate"),
        (
            {"gate": 'naive = { last = "k" }', "target": 'value = "y"\nkind = "binary"'},
            r"\[gate\] naive predicts numbers: it is for a regression",
        ),
    ],
)
def test_what_predicts_no_number_is_refused(
    made: Project, sections: dict[str, str], said: str
) -> None:
    made.write(ROWS)
    with pytest.raises(DefinitionError, match=said):
        made.plan(**{"target": NUMBER, "features": FEATURES, **sections})
