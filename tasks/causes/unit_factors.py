"""Units that data is found in by mistake: what one is in another, as factor and offset.

Exact definitions of the International Yard and Pound (1959) and the SI brochure, where there are.
Not responsible for whether a column was converted (`number_mappings`).
"""

from collections.abc import Iterator

_Units = tuple[tuple[str, str], ...]

# new = factor * old + offset; from one unit to the other
_CONVERSIONS: tuple[tuple[float, float, _Units], ...] = (
    (60, 0, (("hours", "minutes"), ("minutes", "seconds"))),
    (3600, 0, (("hours", "seconds"),)),
    (24, 0, (("days", "hours"),)),
    (10, 0, (("centimetres", "millimetres"),)),
    (100, 0, (("whole units", "cents or per cent"), ("metres", "centimetres"))),
    (1000, 0, (("kilo", "single units"), ("seconds", "milliseconds"))),
    (1e6, 0, (("millions", "single units"),)),
    (1.609344, 0, (("miles", "kilometres"),)),
    (1.852, 0, (("knots", "kilometres per hour"), ("nautical miles", "kilometres"))),
    (1.852 / 1.609344, 0, (("knots", "miles per hour"), ("nautical miles", "miles"))),
    (3.6, 0, (("metres per second", "kilometres per hour"),)),
    (3.6 / 1.852, 0, (("metres per second", "knots"),)),
    (3.6 / 1.609344, 0, (("metres per second", "miles per hour"),)),
    (2.54, 0, (("inches", "centimetres"),)),
    (25.4, 0, (("inches", "millimetres"),)),
    (12, 0, (("feet", "inches"),)),
    (0.3048, 0, (("feet", "metres"),)),
    (0.9144, 0, (("yards", "metres"),)),
    (0.45359237, 0, (("pounds", "kilograms"),)),
    (28.349523125, 0, (("ounces", "grams"),)),
    (3.785411784, 0, (("US gallons", "litres"),)),
    (33.863886, 0, (("inches of mercury", "hectopascals"),)),
    (6.894757, 0, (("psi", "kilopascals"),)),
    (4.184, 0, (("calories", "joules"),)),
    (0.017453292519943295, 0, (("degrees", "radians"),)),
    (1.8, 32, (("°C", "°F"),)),
    (1, 273.15, (("°C", "kelvin"),)),
    (5 / 9, 459.67 * 5 / 9, (("°F", "kelvin"),)),
    (1, -1900, (("years", "years since 1900"),)),
    (1, -2000, (("years", "years since 2000"),)),
)


def list_conversions() -> Iterator[tuple[float, float, str]]:
    """List factor, offset and name of each conversion, and of the same one backwards."""
    for factor, offset, units in _CONVERSIONS:
        yield factor, offset, ", or ".join(f"{one} to {other}" for one, other in units)
        backwards = ", or ".join(f"{other} to {one}" for one, other in units)
        yield 1 / factor, -offset / factor, backwards
