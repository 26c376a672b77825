"""Conversions between units are listed both ways, and are what physics says."""

import pytest

from tasks.causes.unit_factors import list_conversions

KNOWN = {name: (factor, offset) for factor, offset, name in list_conversions()}


def test_each_conversion_has_one_backwards() -> None:
    pairs = list(list_conversions())
    for there, back in zip(pairs[::2], pairs[1::2], strict=True):
        for value in (0.0, 7.5, -40.0):
            gone = there[0] * value + there[1]
            assert back[0] * gone + back[1] == pytest.approx(value, abs=1e-9)


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [
        ("°C to °F", 100, 212),
        ("°F to °C", -40, -40),
        ("°F to kelvin", 32, 273.15),
        ("miles to kilometres", 26.21875, 42.195),
        ("minutes to hours, or seconds to minutes", 90, 1.5),
        ("years to years since 1900", 1999, 99),
    ],
)
def test_known_values_are_converted(name: str, one: float, other: float) -> None:
    factor, offset = KNOWN[name]
    assert factor * one + offset == pytest.approx(other, rel=1e-3)
