"""Which metrics are in the target's own unit, as in minutes, and how that is said.

Not responsible for how numbers are written (`reports.formatting`).
"""

from tasks.core.errors import harmless
from tasks.core.model_sections import Metric

IN_UNIT: frozenset[Metric] = frozenset({"mae", "rmse", "pinball_loss"})


def unit_of(metric: str, unit: str | None) -> str:
    """Give the unit of a metric behind a space, in brackets; nothing where it has none.

    >>> unit_of("rmse", "minutes"), unit_of("r2", "minutes"), unit_of("rmse", None)
    (' (minutes)', '', '')
    """
    return f" ({harmless(unit)})" if unit and metric in IN_UNIT else ""


def with_unit(said: str, unit: str | None) -> str:
    """Add the target's unit to a number that is in it."""
    return f"{said} {unit}" if unit else said
