"""Times that are hours off are told by how many, and in which direction."""

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

from tasks.causes.time_shifts import propose_shifts

RNG = np.random.default_rng(7)
TIMES = pl.Series(
    "t",
    [
        datetime(2020, 1, 1) + timedelta(days=int(day), minutes=int(minute))
        for day, minute in zip(
            RNG.integers(0, 28, 3_000), RNG.normal(14 * 60, 150, 3_000), strict=True
        )
    ],
)


@pytest.mark.parametrize("hours", [-5, 3, 12])
def test_shift_is_told(hours: int) -> None:
    moved = TIMES + timedelta(hours=hours)
    assert propose_shifts("t", TIMES, moved)[0].hours == hours


def test_times_as_usual_are_not_shifted() -> None:
    assert propose_shifts("t", TIMES[:1_500], TIMES[1_500:]) == []
