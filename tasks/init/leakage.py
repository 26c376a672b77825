"""Giveaways: what is wrong with a feature by itself: it says nothing, or it says too much.

Owns what names or counts rows, how well a feature foretells the target alone or added up with
others, and the words for it. Refuses to choose among features: that is drafting's.
"""

import re
from collections.abc import Iterable

import numpy as np
import polars as pl

from tasks.core.definition import Frozen, TargetKind
from tasks.core.sql import is_text
from tasks.evaluation.metrics import Array, area_under_curve
from tasks.init.column_survey import Facts
from tasks.init.target_sums import TargetSum
from tasks.init.type_inference import list_few

AN_ID = re.compile(r"(?i:(^|[\W_])(id|uuid|guid)$)|[a-z](Id|ID)$")
_FEWEST, _BIN_ROWS = 100, {"regression": 5}
_FEWEST_NAMES, _NEAR_UNIQUE, _MANY_LEVELS = 20, 0.9, 1000
_GIVEN_AWAY: dict[TargetKind, float] = {"binary": 0.99, "multiclass": 0.98, "regression": 0.9}
_STRONG: dict[TargetKind, float] = {"binary": 0.95, "multiclass": 0.9, "regression": 0.7}
_SCORE: dict[TargetKind, str] = {
    "binary": "AUC {:.3f} alone",
    "multiclass": "{:.1%} of a blind guess's errors avoided alone",
    "regression": "R² {:.3f} alone",
}


class Feature(Frozen):
    """One line of [features], of a column or a part of its date; a reason leaves it out."""

    column: str
    name: str
    sql: str
    note: str = ""
    reason: str = ""
    is_part: bool = False


def why_left_out(column: str, fact: Facts) -> str:
    """Tell why a column cannot help, from what it holds alone."""
    text = is_text(fact.dtype)
    if not (text or fact.dtype.is_numeric() or fact.dtype in (pl.Boolean, pl.Null)):
        return f"{fact.dtype.base_type()}: neither number, text nor true/false"
    if not fact.values - fact.infinite:
        return "holds no value"
    if fact.distinct == 1 and not fact.nulls:
        return f"always {fact.first!r}"
    if is_counter(fact):
        return f"counts the rows, {fact.least:,.0f} to {fact.greatest:,.0f}"
    near_unique = fact.distinct >= max(_FEWEST_NAMES, _NEAR_UNIQUE * fact.values)
    if near_unique and (text or (fact.dtype.is_integer() and AN_ID.search(column))):
        return f"names the row: {fact.distinct:,} different values in {fact.values:,} rows"
    return ""


def is_counter(fact: Facts) -> bool:
    if not fact.dtype.is_integer() or fact.least is None or fact.greatest is None:
        return False
    return fact.greatest - fact.least + 1 == fact.distinct == fact.rows


def judge_alone(sample: pl.DataFrame, kind: TargetKind) -> dict[str, float]:
    """Tell how well each column alone foretells the target in rows it was not learned from.

    What is learned is the target's mean in each level, or in narrow bins of a number. The score
    is R², AUC, or the share of a blind guess's errors that the column avoids.
    """
    half = len(sample) // 2
    if len(sample) < _FEWEST:
        return {}
    target, *columns = sample.get_columns()
    wanted = (target.to_dummies() if kind == "multiclass" else target.to_frame()).to_numpy()
    scores = {}
    for column in columns:
        bins = _bin(column, half, half // _BIN_ROWS.get(kind, 20))
        scores[column.name] = _score(kind, wanted[half:], _learn_means(bins, wanted[:half])[half:])
    return scores


def give_away(
    name: str, target: str, kind: TargetKind, alone: dict[str, float], sums: Iterable[TargetSum]
) -> str:
    """Say how a feature tells the target almost perfectly, alone or with others."""
    score = alone.get(name, 0.0)
    said = [_SCORE[kind].format(score)] if score >= _GIVEN_AWAY[kind] else []
    for found in sums:
        if name in found.columns:
            others = list_few([each for each in found.columns if each != name])
            said.insert(0, f"{found.how} with {others}" if others else "a number times it")
    return f"gives {target} away: {', '.join(said)}" if said else ""


def why_repeated(feature: Feature, offered: Iterable[Feature], sample: pl.DataFrame) -> str:
    """Say which column a date's part repeats."""
    if not feature.is_part or feature.name not in sample.columns:
        return ""
    different = sample[feature.name].n_unique()
    for other in offered:
        if other.name in sample.columns and not other.is_part:
            pairs = sample.select(pl.struct(feature.name, other.name).n_unique()).item()
            if pairs == different == sample[other.name].n_unique():
                return f"says the same as {other.name}"
    return ""


def remark(feature: Feature, fact: Facts, kind: TargetKind, alone: dict[str, float]) -> str:
    score = alone.get(feature.name, 0.0)
    if score >= _STRONG[kind]:
        return f"{_SCORE[kind].format(score)}; is it known in advance?"
    if is_text(fact.dtype) and fact.distinct > _MANY_LEVELS:
        return f"{fact.distinct:,} different texts, of which the frequent ones count"
    return ""


def _bin(column: pl.Series, half: int, bins: int) -> Array:
    """Give each value's level or bin; bins hold equally many of the first half, 0 is missing."""
    if not column.dtype.is_numeric():
        return column.cast(pl.String).rank("dense").fill_null(0).cast(pl.Int64).to_numpy()
    values = column.cast(pl.Float64).fill_null(np.nan).to_numpy()
    known = values[:half][np.isfinite(values[:half])]
    edges = known
    if len(known):
        edges = np.unique(np.quantile(known, np.linspace(0, 1, bins + 1), method="lower"))
    return np.where(np.isnan(values), 0, 1 + np.searchsorted(edges, values))


def _learn_means(bins: Array, wanted: Array) -> Array:
    """Give each row the mean of its bin among the rows to learn from, or the mean of them all."""
    learned, size = bins[: len(wanted)], bins.max() + 1
    counts = np.bincount(learned, minlength=size)[:, None]
    sums = np.stack([np.bincount(learned, part, size) for part in wanted.T], axis=1)
    return np.where(counts, sums / np.maximum(counts, 1), wanted.mean(axis=0))[bins]


def _score(kind: TargetKind, wanted: Array, told: Array) -> float:
    if kind == "binary":
        return area_under_curve(wanted[:, 0], told[:, 0])
    if kind == "multiclass":
        right = (wanted.argmax(axis=1) == told.argmax(axis=1)).mean()
        blind = wanted.mean(axis=0).max()
        return float((right - blind) / (1 - blind)) if blind < 1 else 0.0
    spread = ((wanted - wanted.mean()) ** 2).sum()
    return float(1 - ((wanted - told) ** 2).sum() / spread) if spread else 0.0
