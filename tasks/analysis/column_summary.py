"""Summary of a profile for people: mean, quantiles and top values of every column."""

import math

from tasks.analysis.column_facts import ColumnFacts
from tasks.analysis.profile import Column, Profile
from tasks.core.definition import Frozen

QUANTILES = (5, 25, 50, 75, 95)
TOP_VALUES = 20


class TopValue(Frozen):
    """A frequent value as text, and in how many rows it is."""

    value: str
    count: int


class ColumnSummary(ColumnFacts):
    """A column for people to read; what does not apply to it is None."""

    distinct: int | None
    mean: float | None
    std: float | None
    quantiles: dict[int, float] | None
    top: tuple[TopValue, ...]


def summarise(profile: Profile) -> dict[str, ColumnSummary]:
    """Summarise each column of a profile, by name; quantiles are within a rank error of 1 %."""
    return {name: _summarise_column(column) for name, column in profile.columns.items()}


def _summarise_column(column: Column) -> ColumnSummary:
    facts, spread, kll = column.facts, column.distribution, column.distribution.kll.value
    distinct = round(column.view.get_metric("cardinality").hll.value.get_estimate())
    top = sorted(column.levels.items(), key=lambda level: (-level[1], level[0]))[:TOP_VALUES]
    percents = kll.get_quantiles([percent / 100 for percent in QUANTILES]) if spread.n else None
    return ColumnSummary(
        **facts.model_dump(),
        distinct=None if facts.kind == "other" else min(distinct, facts.values),
        mean=_finite(spread.avg) if spread.n else None,
        std=_finite(spread.stddev) if spread.n > 1 else None,
        quantiles=dict(zip(QUANTILES, percents, strict=True)) if percents else None,
        top=tuple(TopValue(value=value, count=count) for value, count in top),
    )


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None
