"""The definition's section [target]: what is predicted, and which quantiles of it.

Responsible for its keys and limits. Not responsible for what quantiles ask of other sections
(`quantile_checks`), and for what else a definition holds (`model_sections`, `data_sections`).
"""

from datetime import timedelta
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from tasks.core.data_sections import UNIT, Section
from tasks.core.durations import Duration

TargetKind = Literal["binary", "multiclass", "regression"]
MOST_QUANTILES = 9


def _check_levels(levels: tuple[float, ...]) -> tuple[float, ...]:
    if not 2 <= len(levels) <= MOST_QUANTILES:
        raise ValueError(f"must be 2 to {MOST_QUANTILES} numbers, as in [0.1, 0.5, 0.9]")
    if any(one >= other for one, other in pairwise(levels)):
        raise ValueError("must rise from each number to the next, as in [0.1, 0.5, 0.9]")
    return levels


Level = Annotated[float, Field(gt=0, lt=1)]
_LEVELS = {
    "type": "array",
    "items": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
    "minItems": 2,
    "maxItems": MOST_QUANTILES,
}
Levels = Annotated[tuple[Level, ...], AfterValidator(_check_levels), WithJsonSchema(_LEVELS)]


class Target(Section):
    """What is predicted."""

    value: str = Field(min_length=1)
    """An SQL expression, as in `arr_delay > 15`. Rows where it is null are dropped and counted."""
    kind: TargetKind
    """Yes or no (binary), one of several classes (multiclass), or a number (regression)."""
    quantiles: Levels | None = Field(default=None, exclude_if=lambda value: value is None)
    """Quantiles of a regression's target to predict instead of its mean, as in `[0.1, 0.5, 0.9]`:
    two to nine shares, rising, of which so many rows are to lie below. Left out: the mean."""
    unit: str | None = Field(
        default=None, max_length=24, pattern=UNIT, exclude_if=lambda value: value is None
    )
    """What a regression's target is measured in, as in `minutes`: said beside errors and widths."""
    matures_after: Duration = timedelta(0)
    """How long after a row's time its target is known; younger rows have no label yet."""

    @model_validator(mode="after")
    def _only_a_number_has_quantiles(self) -> Self:
        if self.quantiles is not None and self.kind != "regression":
            raise ValueError(
                f"quantiles are of numbers: they are for kind = 'regression', not {self.kind}; "
                "leave them out"
            )
        return self

    @model_validator(mode="after")
    def _only_a_number_has_a_unit(self) -> Self:
        if self.unit is not None and self.kind != "regression":
            raise ValueError(
                f"unit is of numbers: it is for kind = 'regression', not {self.kind}; leave it out"
            )
        return self
