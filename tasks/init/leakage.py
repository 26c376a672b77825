"""Target leakage: how well each feature alone predicts the target, and what that means.

Not responsible for leaving features out: `feature_selection` is.
"""

from collections.abc import Iterable

import numpy as np
import polars as pl

from tasks.analysis.target_sums import TargetSum
from tasks.core.model_sections import TargetKind
from tasks.core.sql import is_text
from tasks.core.wording import list_few
from tasks.evaluation.metrics import Array, area_under_curve
from tasks.init.column_statistics import ColumnStats

_MANY_LEVELS, _FEWEST, _BIN_ROWS = 1000, 100, {"regression": 5}
_GIVEN_AWAY: dict[TargetKind, float] = {"binary": 0.99, "multiclass": 0.98, "regression": 0.9}
_STRONG: dict[TargetKind, float] = {"binary": 0.95, "multiclass": 0.9, "regression": 0.7}
_SCORE: dict[TargetKind, str] = {
    "binary": "AUC {:.3f} alone",
    "multiclass": "{:.1%} of a blind guess's errors avoided alone",
    "regression": "R² {:.3f} alone",
}


def score_alone(sample: pl.DataFrame, kind: TargetKind) -> dict[str, float]:
    """Score how well each column alone predicts the target, in rows it was not learned from.

    `sample` holds the target first, then the features. Learned is the target's mean in each level,
    or in narrow bins of a number (target encoding), on the first half of the rows. The score is AUC
    for a binary target, R² for a regression, else the share of errors of the most frequent class
    that the column avoids (Goodman and Kruskal's lambda).

    >>> rows = pl.DataFrame({"y": [0, 1] * 100, "copy": [0, 1] * 100, "one": [1] * 200})
    >>> score_alone(rows, "binary")
    {'copy': 1.0, 'one': 0.5}
    """
    half = len(sample) // 2
    if len(sample) < _FEWEST:
        return {}
    target, *columns = sample.get_columns()
    actual = (target.to_dummies() if kind == "multiclass" else target.to_frame()).to_numpy()
    scores = {}
    for column in columns:
        bins = _bin(column, half, half // _BIN_ROWS.get(kind, 20))
        scores[column.name] = _score(kind, actual[half:], _learn_means(bins, actual[:half])[half:])
    return scores


def explain_leakage(
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


def remark(feature: str, fact: ColumnStats, kind: TargetKind, alone: dict[str, float]) -> str:
    """Say what a person should know of a feature that is kept, if there is anything."""
    score = alone.get(feature, 0.0)
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


def _learn_means(bins: Array, actual: Array) -> Array:
    """Give each row the mean of its bin among the rows to learn from, or the mean of them all."""
    learned, size = bins[: len(actual)], bins.max() + 1
    counts = np.bincount(learned, minlength=size)[:, None]
    sums = np.stack([np.bincount(learned, part, size) for part in actual.T], axis=1)
    return np.where(counts, sums / np.maximum(counts, 1), actual.mean(axis=0))[bins]


def _score(kind: TargetKind, actual: Array, predicted: Array) -> float:
    if kind == "binary":
        return area_under_curve(actual[:, 0], predicted[:, 0])
    if kind == "multiclass":
        right = (actual.argmax(axis=1) == predicted.argmax(axis=1)).mean()
        blind = actual.mean(axis=0).max()
        return float((right - blind) / (1 - blind)) if blind < 1 else 0.0
    spread = ((actual - actual.mean()) ** 2).sum()
    return float(1 - ((actual - predicted) ** 2).sum() / spread) if spread else 0.0
