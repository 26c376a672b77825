"""Better is what is better by the whole of its interval."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from tables import define

from tasks.core.columns import TARGET, TIME
from tasks.core.definition import parse_definition
from tasks.validation.champion_comparison import pair_predictions
from tasks.validation.superiority import judge_better


@pytest.mark.parametrize(("shift", "passed"), [(0.0, False), (0.3, True), (-0.3, False)])
def test_better_means_all_of_the_interval(shift: float, passed: bool) -> None:
    definition = parse_definition(define(), "made.toml")
    chance = np.random.default_rng(2)
    target = (chance.random(600) < 0.5).astype(float)
    rows = pl.DataFrame(
        {
            TIME: [datetime(2020, 1, 1, tzinfo=UTC) + timedelta(hours=h) for h in range(600)],
            TARGET: target,
            "predicted": 0.5 + shift * (target - 0.5) + 0.1 * chance.random(600),
        }
    )
    pair = pair_predictions(definition, rows, 0.5 + 0.1 * chance.random(600))
    check = judge_better(definition, "beats_it", pair)
    assert (check.name, check.passed) == ("beats_it", passed)
