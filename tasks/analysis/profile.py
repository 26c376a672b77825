"""What a table looks like, in a few kilobytes that merge: counts, moments, quantiles, levels.

Owns whylogs: a profile is its sketches, and the exact facts that it merges away or gets wrong.
Refuses to compare tables: `drift` does. Times are measured in seconds, since 1970 in UTC where
they have a date.
"""

import hashlib
import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import reduce
from typing import Any, Literal

import numpy as np
import polars as pl
from pydantic import TypeAdapter

from tasks.core.definition import Frozen
from tasks.core.errors import PerennialError

os.environ["WHYLOGS_NO_ANALYTICS"] = "1"  # whylogs reports its use over the network

from whylogs.core import ColumnProfileView, DatasetProfileView
from whylogs.core.configs import FrequentItemsErrorType
from whylogs.core.metrics import column_metrics, metrics

ColumnKind = Literal["number", "category", "other"]

QUANTILES = (5, 25, 50, 75, 95)
TOP_VALUES = 20

_CONFIG = metrics.MetricConfig(hll_lg_k=14)
# The first array that a sketch takes makes it import NumPy's C side, under a lock of its own. Two
# threads that came there at once would wait for ever: one for that lock, one for Python's.
metrics.DistributionMetric.zero(_CONFIG).kll.value.update(np.zeros(1))
_COLUMNS_AT_ONCE = 2  # half of the work on one keeps a single core busy
_NAME_LENGTH = _CONFIG.max_frequent_item_size
_LEVELS = 768  # as many as whylogs' sketch of frequent items holds before it starts to estimate
_ALL_ITEMS = FrequentItemsErrorType.NO_FALSE_NEGATIVES.to_datasketches_type()
_PER_SECOND = {"ms": 1e3, "us": 1e6, "ns": 1e9}
_SQUARABLE = 1e150  # merging squares the distance of two means, which overflows beyond this
_MAGIC = b"PROFILE1"

# At their first array the sketches import a part of NumPy behind a lock of C++, for which a second
# thread waits with Python's own lock in its hand: two columns at once could wait for ever.
metrics.DistributionMetric.zero(_CONFIG).kll.value.update(pl.Series([0.0]).to_numpy())


class ProfileError(PerennialError):
    """A profile cannot be read, or profiles cannot be put together."""


class ColumnFacts(Frozen):
    """What is known of a column exactly, and stays exact when profiles are merged."""

    dtype: str
    kind: ColumnKind
    rows: int
    nulls: int
    nans: int = 0
    infinite: int = 0
    trues: int = 0
    falses: int = 0
    min: int | float | None = None
    max: int | float | None = None

    @property
    def values(self) -> int:
        """How many rows hold something that can be counted or measured."""
        return self.rows - self.nulls - self.nans - self.infinite

    @property
    def null_share(self) -> float | None:
        return self.nulls / self.rows if self.rows else None


class TopValue(Frozen):
    value: str
    count: int


class ColumnSummary(ColumnFacts):
    """A column for people to read; what does not apply to it is None."""

    distinct: int | None
    mean: float | None
    std: float | None
    quantiles: dict[int, float] | None
    top: tuple[TopValue, ...]


@dataclass(frozen=True)
class Column:
    facts: ColumnFacts
    view: ColumnProfileView

    @property
    def distribution(self) -> metrics.DistributionMetric:
        return self.view.get_metric("distribution")

    @property
    def levels(self) -> dict[str, int]:
        """The frequent levels by name; all of them, exactly, when they are few."""
        sketch = self.view.get_metric("frequent_items").frequent_strings.value
        return {level: count for level, count, _, _ in sketch.get_frequent_items(_ALL_ITEMS)}


@dataclass(frozen=True)
class Profile:
    columns: dict[str, Column]

    @property
    def view(self) -> DatasetProfileView:
        """The sketches in the form that whylogs reads and writes."""
        now, views = datetime.now(UTC), {name: column.view for name, column in self.columns.items()}
        return DatasetProfileView(columns=views, dataset_timestamp=now, creation_timestamp=now)


_FACTS = TypeAdapter(dict[str, ColumnFacts])


def profile_table(table: pl.LazyFrame) -> Profile:
    """Profile a scan or a frame, each column collected by itself so that few are in memory."""
    names = table.collect_schema().names()

    def profile_at(position: int) -> Column:
        series = table.select(pl.nth(position)).collect().to_series()
        return _profile_column(series.alias("value"))

    with ThreadPoolExecutor(_COLUMNS_AT_ONCE) as pool:
        return Profile(dict(zip(names, pool.map(profile_at, range(len(names))), strict=True)))


def merge(profiles: Sequence[Profile]) -> Profile:
    """Put partitions together; ProfileError where they disagree about a column's type."""
    if not profiles:
        raise ProfileError("there are no profiles to merge")
    return reduce(_merge_two, profiles)


def to_bytes(profile: Profile) -> bytes:
    facts = _FACTS.dump_json({name: column.facts for name, column in profile.columns.items()})
    body: bytes = len(facts).to_bytes(8, "big") + facts + profile.view.serialize()
    return _MAGIC + hashlib.sha256(body).digest() + body


def from_bytes(data: bytes) -> Profile:
    """Read what `to_bytes` wrote; ProfileError when it is anything else."""
    magic, digest, body = data[:8], data[8:40], data[40:]
    if magic != _MAGIC:
        raise ProfileError(f"this is no profile: it does not start with {_MAGIC.decode()}")
    if hashlib.sha256(body).digest() != digest:  # a damaged sketch could crash the interpreter
        raise ProfileError("the profile is damaged: its content does not match its digest")
    end = 8 + int.from_bytes(body[:8], "big")
    facts = _FACTS.validate_json(body[8:end])
    view = DatasetProfileView.deserialize(body[end:])
    return Profile({name: Column(facts[name], view.get_column(name)) for name in facts})


def summarise(profile: Profile) -> dict[str, ColumnSummary]:
    return {name: _summarise_column(column) for name, column in profile.columns.items()}


def _profile_column(series: pl.Series) -> Column:
    kind, dtype = _kind_of(series.dtype), series.dtype
    odd, values = _split_finite(series.drop_nulls())
    distribution = metrics.DistributionMetric.zero(_CONFIG)
    if kind == "number":
        # Runs of sorted values are their counts, and the sketch takes them four times as fast.
        values = values.sort()
        odd |= _measure_numbers(_as_numbers(values), distribution)
        levels = values.rle().struct.unnest()
    else:
        known = values if kind == "category" else pl.Series("value", dtype=pl.String)
        levels = known.value_counts(name="len").sort("value")
    if isinstance(dtype, pl.Boolean):
        odd |= {"trues": int(values.sum()), "falses": int((~values).sum())}
    facts = ColumnFacts(
        # Another level of an Enum is drift, not another type.
        dtype="Enum" if isinstance(dtype, pl.Enum) else str(dtype),
        kind=kind,
        rows=len(series),
        nulls=series.null_count(),
        **odd,
    )
    return Column(facts, _as_whylogs(facts, distribution, levels))


def _kind_of(dtype: pl.DataType) -> ColumnKind:
    if dtype.is_numeric() or dtype.is_temporal():
        return "number"
    level = pl.String, pl.Categorical, pl.Enum, pl.Boolean
    return "category" if isinstance(dtype, level) else "other"


def _as_whylogs(
    facts: ColumnFacts, distribution: metrics.DistributionMetric, levels: pl.DataFrame
) -> ColumnProfileView:
    counted = facts.rows, facts.nulls, facts.nans, facts.infinite, facts.trues
    return ColumnProfileView(
        {
            "counts": column_metrics.ColumnCountsMetric(
                *map(column_metrics.IntegralComponent, counted)
            ),
            "distribution": distribution,
            "cardinality": _count_distinct(levels["value"]),
            "frequent_items": _count_levels(levels),
        }
    )


def _split_finite(values: pl.Series) -> tuple[dict[str, Any], pl.Series]:
    """Count NaN and infinity and leave them out: either would swallow every moment."""
    if not values.dtype.is_float():
        return {}, values
    odd = {"nans": int(values.is_nan().sum()), "infinite": int(values.is_infinite().sum())}
    return odd, values.filter(values.is_finite()) if any(odd.values()) else values


def _as_numbers(values: pl.Series) -> pl.Series:
    """Turn times into seconds; whole numbers stay whole, so that their limits are exact."""
    dtype, physical = values.dtype, values.to_physical()
    if isinstance(dtype, pl.Date):
        return physical.cast(pl.Int64) * 86_400
    if dtype.is_temporal():
        unit = getattr(dtype, "time_unit", "ns")
        return pl.Series(physical.to_numpy() / _PER_SECOND[unit])  # polars' division may round
    return values if dtype.is_integer() else values.cast(pl.Float64)


def _measure_numbers(
    ordered: pl.Series, distribution: metrics.DistributionMetric
) -> dict[str, int | float]:
    """Fill in the distribution, and give the limits."""
    if ordered.is_empty():
        return {}
    numbers, least, greatest = ordered.cast(pl.Float64), ordered[0], ordered[-1]
    distribution.kll.value.update(numbers.to_numpy())
    squarable = max(-least, greatest) < _SQUARABLE
    distribution.mean.set(numbers.mean() if squarable else math.nan)
    variance: Any = numbers.var(ddof=0) if squarable else math.nan
    distribution.m2.set(variance * len(numbers))
    return {"min": least, "max": greatest}


def _count_distinct(levels: pl.Series) -> metrics.CardinalityMetric:
    metric = metrics.CardinalityMetric.zero(_CONFIG)
    sketch, dtype = metric.hll.value, levels.dtype
    if dtype.is_integer() or dtype.is_temporal():
        whole = levels.to_physical().cast(pl.Int64, wrap_numerical=True)
        sketch.update_np(whole.to_numpy())
    elif dtype.is_numeric():
        sketch.update_np(levels.cast(pl.Float64).to_numpy())
    else:
        named = levels.cast(pl.String).replace("", "\0")  # the sketch skips the empty string
        for start in range(0, len(named), 100_000):
            sketch.update_str_list(named[start : start + 100_000].to_list())
    return metric


def _count_levels(levels: pl.DataFrame) -> metrics.FrequentItemsMetric:
    """Feed the most frequent levels, with their counts.

    What is left out is rarer than one in _LEVELS, below the sketch's own error: merged profiles
    are as right as if every row had gone in.
    """
    metric = metrics.FrequentItemsMetric.zero(_CONFIG)
    if levels.height > _LEVELS:
        levels = levels.filter(pl.col("len") > 1).top_k(_LEVELS, by="len")
    values = levels["value"]
    names = values.dt.to_string() if values.dtype.is_temporal() else values.cast(pl.String)
    for name, count in zip(names.str.head(_NAME_LENGTH), levels["len"], strict=True):
        metric.frequent_strings.value.update(name, count)
    return metric


def _merge_two(left: Profile, right: Profile) -> Profile:
    columns = left.columns | right.columns
    for name in left.columns.keys() & right.columns.keys():
        old, new = left.columns[name], right.columns[name]
        facts = _merge_facts(name, old.facts, new.facts)
        columns[name] = Column(facts, old.view.merge(new.view))
    return Profile(columns)


def _merge_facts(name: str, left: ColumnFacts, right: ColumnFacts) -> ColumnFacts:
    if left.dtype == "Null":  # a column without one value says nothing of its type
        left, right = right, left
    if right.dtype not in (left.dtype, "Null"):
        raise ProfileError(
            f"column {name!r} is {left.dtype} in one profile and {right.dtype} in another: "
            "they cannot be merged"
        )
    added = ("rows", "nulls", "nans", "infinite", "trues", "falses")
    sums = {fact: getattr(left, fact) + getattr(right, fact) for fact in added}
    least = min((x for x in (left.min, right.min) if x is not None), default=None)
    greatest = max((x for x in (left.max, right.max) if x is not None), default=None)
    return left.model_copy(update=sums | {"min": least, "max": greatest})


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
