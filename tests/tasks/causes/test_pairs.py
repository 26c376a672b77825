"""Single values beside those that they should be prove what happened to them."""

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

from tasks.causes.mapping import Mapping
from tasks.causes.pairs import map_pairs

RNG = np.random.default_rng(7)
X = pl.Series("x", RNG.lognormal(3, 1, 300))
YEARS = pl.Series("x", RNG.integers(1980, 2014, 300))
TEXT = pl.Series("x", RNG.choice(["UA", "DL", "AA"], 300))
TIME = pl.Series("x", [datetime(2020, 1, 1) + timedelta(hours=int(at)) for at in range(300)])


def found(old: pl.Series, new: pl.Series, **others: pl.Series) -> Mapping | None:
    return map_pairs("x", old, new, {"x": old, **others})


@pytest.mark.parametrize(
    ("old", "new", "about"),
    [
        (X, X * 1.609344, "multiplied by 1.609 (miles to kilometres)"),
        (X, (X * 1.8 + 32).cast(pl.Float32), "converted: °C to °F"),
        (X, X * 1.37, "multiplied by 1.37"),
        (X, X + 4.5, "4.5 higher"),
        (YEARS, YEARS - 1900, "converted: years to years since 1900"),
        (YEARS, (YEARS * 2.54).cast(pl.Int64), "multiplied by 2.54 (inches to centimetres)"),
        (X, pl.Series("x", [None] * 300, dtype=pl.Float64), "missing in these rows"),
        (X, pl.Series("x", [-999.0] * 300), "-999.0 in these rows"),
        (TIME, TIME - timedelta(hours=5), "5 hours earlier (a time zone?)"),
        (TEXT, TEXT.str.to_lowercase(), "renamed: "),
        (TEXT, pl.Series("x", [""] * 300), "'' in these rows"),
    ],
)
def test_what_made_values_is_told(old: pl.Series, new: pl.Series, about: str) -> None:
    mapping = found(old, new)
    assert mapping is not None
    assert mapping.about.startswith(about)


def test_value_of_another_column_is_told() -> None:
    mapping = found(X, X.reverse(), y=X.reverse())
    assert mapping is not None
    assert (mapping.kind, mapping.about) == ("swap", "what y should be")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (X, X * pl.Series(RNG.normal(1.5, 0.2, 300))),
        (YEARS, YEARS + pl.Series(RNG.integers(1, 4, 300))),
        (TIME, TIME - timedelta(minutes=7)),
        (TIME, pl.Series("x", TIME.to_list()[::-1])),
        (TEXT, pl.Series("x", RNG.permutation(TEXT.to_list()))),
        (TEXT, TEXT.replace({"UA": "DL"})),
        (X[:5], X[:5] * 100),
    ],
)
def test_what_differs_otherwise_or_in_few_rows_is_not(old: pl.Series, new: pl.Series) -> None:
    assert found(old, new) is None
