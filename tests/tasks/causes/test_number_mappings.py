"""Numbers: units, free factors and offsets are told, and growth is not."""

import numpy as np
import numpy.typing as npt
import pytest

from tasks.causes.mapping import Mapping
from tasks.causes.number_mappings import propose_numbers

Array = npt.NDArray[np.float64]
RNG = np.random.default_rng(7)
PRICES = RNG.choice(np.round(RNG.lognormal(3, 1, 60), 2), 6_000)  # a list of 60 prices
DENSE = RNG.lognormal(3, 0.6, 6_000)
HOURS = RNG.choice(24, 6_000, p=np.bincount([*range(6, 22), 8, 8, 8, 17, 17], minlength=24) / 21)


def first(old: Array, new: Array, name: str = "x") -> Mapping | None:
    return next(iter(propose_numbers(name, old[:4_000], new[4_000:])), None)


@pytest.mark.parametrize("old", [PRICES, DENSE], ids=["list", "dense"])
@pytest.mark.parametrize(
    ("factor", "about"),
    [
        (1.609344, "multiplied by 1.609 (miles to kilometres)"),
        (100, "multiplied by 100 (whole units to cents or per cent, or metres to centimetres)"),
        (1 / 60, "divided by 60 (minutes to hours, or seconds to minutes)"),
        (-1, "multiplied by -1 (the sign flipped)"),
    ],
)
def test_units_are_told(old: Array, factor: float, about: str) -> None:
    found = first(old, old * factor)
    assert found is not None
    assert found.about == about


def test_degrees_are_told() -> None:
    celsius = RNG.normal(12, 8, 6_000)
    found = first(celsius, celsius * 1.8 + 32)
    assert found is not None
    assert found.about == "converted from °C to °F"


def test_near_units_of_dense_values_are_not_told_apart() -> None:
    found = first(DENSE, DENSE * 0.45)
    assert found is not None
    assert found.about == "divided by about 2.2"


@pytest.mark.parametrize("rounded", [False, True])
def test_price_rise_that_is_the_same_for_all_is_told(rounded: bool) -> None:
    risen = PRICES * 1.07
    found = first(PRICES, np.round(risen, 2) if rounded else risen)
    assert found is not None
    assert found.factor == pytest.approx(1.07, rel=1e-3)
    assert found.about == "multiplied by 1.07"
    assert found.proven


def test_offset_of_listed_values_is_told() -> None:
    found = first(PRICES, PRICES + 12.5)
    assert found is not None
    assert found.about == "12.5 higher"


def test_growth_is_no_factor() -> None:
    assert first(DENSE, DENSE * 1.3) is None
    assert first(PRICES, PRICES * RNG.normal(1.3, 0.05, 6_000)) is None
    assert first(PRICES, RNG.choice(np.unique(PRICES)[30:], 6_000)) is None


def test_season_on_a_grid_is_no_offset() -> None:
    degrees = np.round(RNG.normal(40, 10, 6_000))
    assert first(degrees, degrees + 12) is None


def test_hours_are_told_round_the_clock() -> None:
    shifted = (HOURS.astype(float) + 19) % 24
    assert first(HOURS.astype(float), shifted) is None  # such numbers may be anything
    found = first(HOURS.astype(float), shifted, "hour")
    assert found is not None
    assert (found.about, found.hours) == ("5 hours earlier (a time zone?)", -5)
    minutes = RNG.integers(0, 60, 6_000)
    found = first(HOURS * 100.0 + minutes, (HOURS + 3) % 24 * 100.0 + minutes)
    assert found is not None
    assert (found.hours, found.clock) == (3, "hhmm")


def test_nothing_to_compare_gives_nothing() -> None:
    assert propose_numbers("x", np.array([np.nan]), PRICES) == []
    assert propose_numbers("x", PRICES, np.array([4.0, 4.0])) == []
