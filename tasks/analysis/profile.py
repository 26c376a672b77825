"""Profile of a table in a few kilobytes that can be merged: exact facts, and whylogs' sketches.

Quantiles come from KLL sketches (Karnin, Lang, Liberty 2016), distinct counts from HyperLogLog
(Flajolet and others 2007), top values from a frequent-items sketch (Anderson and others 2017). Not
responsible for comparing tables: `profile_drift` is.
"""

import hashlib
import math
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import reduce
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import polars as pl
from pydantic import TypeAdapter

os.environ["WHYLOGS_NO_ANALYTICS"] = "1"  # whylogs reports its use over the network
if find_spec("whylogs_sketching") is None:  # it has no wheel for Python 3.13
    sys.modules["whylogs_sketching"] = import_module("tasks.analysis.apache_sketches")

from whylogs.core import ColumnProfileView, DatasetProfileView
from whylogs.core.configs import FrequentItemsErrorType
from whylogs.core.metrics import column_metrics, metrics

from tasks.analysis.column_facts import (
    ColumnFacts,
    ProfileError,
    as_numbers,
    kind_of,
    merge_facts,
    split_finite,
)

_CONFIG = metrics.MetricConfig(hll_lg_k=14)
_COLUMNS_AT_ONCE = 2  # half of the work on one keeps a single core busy
_NAME_LENGTH = _CONFIG.max_frequent_item_size
_LEVELS = 768  # as many as whylogs' sketch of frequent items holds before it starts to estimate
_ALL_ITEMS = FrequentItemsErrorType.NO_FALSE_NEGATIVES.to_datasketches_type()
_SQUARABLE = 1e150  # merging squares the distance of two means, which overflows beyond this
_MAGIC = b"PROFILE1"

# At their first array the sketches import a part of NumPy behind a lock of C++, for which a second
# thread waits with Python's own lock in its hand: two columns at once could wait for ever.
metrics.DistributionMetric.zero(_CONFIG).kll.value.update(pl.Series([0.0]).to_numpy())


@dataclass(frozen=True)
class Column:
    """A column's exact facts and its sketches."""

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
    """The columns of a table by name, in the table's order."""

    columns: dict[str, Column]

    @property
    def view(self) -> DatasetProfileView:
        """The sketches in the form that whylogs reads and writes."""
        now, views = datetime.now(UTC), {name: column.view for name, column in self.columns.items()}
        return DatasetProfileView(columns=views, dataset_timestamp=now, creation_timestamp=now)


_FACTS = TypeAdapter(dict[str, ColumnFacts])


def profile_table(table: pl.LazyFrame) -> Profile:
    """Profile a scan or a frame, each column collected by itself so that few are in memory.

    >>> profile = profile_table(pl.LazyFrame({"x": [1, 2, None]}))
    >>> profile.columns["x"].facts.null_share
    0.3333333333333333
    """
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
    """Write a profile: a magic word, the SHA-256 of the rest, exact facts as JSON, and sketches."""
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


def _profile_column(series: pl.Series) -> Column:
    kind, dtype = kind_of(series.dtype), series.dtype
    odd, values = split_finite(series.drop_nulls())
    distribution = metrics.DistributionMetric.zero(_CONFIG)
    if kind == "number":
        # Runs of sorted values are their counts, and the sketch takes them four times as fast.
        values = values.sort()
        odd |= _measure_numbers(as_numbers(values), distribution)
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
        facts = merge_facts(name, old.facts, new.facts)
        columns[name] = Column(facts, old.view.merge(new.view))
    return Profile(columns)
