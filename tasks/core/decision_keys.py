"""What decides between yes and no: a threshold, what a mistake costs, and who must fare alike.

Responsible for the keys themselves. Not responsible for choosing a threshold (`evaluation`).
"""

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from tasks.core.data_sections import Section


def _check_threshold(value: object) -> object:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if value != "auto" and not (number and 0 < float(value) < 1):  # type: ignore[arg-type]
        raise ValueError('must be a number between 0 and 1, or "auto"')
    return value


def _check_price(value: object) -> object:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if (number and float(value) < 0) or not (number or (isinstance(value, str) and value.strip())):  # type: ignore[arg-type]
        raise ValueError("must be a number that is 0 or more, or row-wise SQL that gives one")
    return value


_THRESHOLD = {
    "anyOf": [
        {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
        {"const": "auto"},
    ]
}
_PRICE = {"anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": "\\S"}]}
Threshold = Annotated[
    float | Literal["auto"], BeforeValidator(_check_threshold), WithJsonSchema(_THRESHOLD)
]
Price = Annotated[float | str, BeforeValidator(_check_price), WithJsonSchema(_PRICE)]


Rate = Literal["selection_rate", "true_positive_rate", "false_positive_rate"]


class Fairness(Section):
    """Between which groups of rows answers of a binary model must differ little."""

    by: tuple[Annotated[str, Field(min_length=1)], ...] = Field(min_length=1)
    """Columns or SQL expressions, as in `sex`: rows of one value are a group."""
    at_most: float = Field(gt=0, lt=1)
    """By how much a rate may differ between any two groups, as in `0.1`; proven by the interval."""
    rates: tuple[Rate, ...] = Field(
        default=("selection_rate", "true_positive_rate", "false_positive_rate"), min_length=1
    )
    """Which rates: how many are answered yes, of all rows, of the positive or of the negative."""


class Cost(Section):
    """What a mistake costs, in any unit: a number, or row-wise SQL."""

    false_alarm: Price = Field()
    """What it costs to say yes where it is no, as in `1`, or in `price * 0.1`."""
    missed: Price = Field()
    """What it costs to say no where it is yes."""

    @model_validator(mode="after")
    def _mistakes_cost_something(self) -> Self:
        if self.false_alarm == 0 or self.missed == 0:
            raise ValueError("with one mistake that costs nothing, one answer is always best")
        return self

    @property
    def constant(self) -> tuple[float, float] | None:
        """The two costs where they are numbers; None where a row says what they are."""
        false_alarm, missed = self.false_alarm, self.missed
        if isinstance(false_alarm, str) or isinstance(missed, str):
            return None
        return float(false_alarm), float(missed)
