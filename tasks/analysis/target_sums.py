"""Sums that leak the target: columns that give it when they are added, subtracted or multiplied.

Found by least squares on one half of the rows and judged by R² on the other; of many columns the
likely ones are chosen first by orthogonal matching pursuit (Pati and others 1993).
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from tasks.core.definition import Frozen

Array = npt.NDArray[Any]

_FEWEST, _ROWS_EACH = 60, 10  # rows in all, and for each column
_TOLD = 0.999  # R² from which on columns are the target, but for rounding
_USED, _SURE = 1e-3, 5  # of the largest part; standard errors
_WHOLE = 0.01  # how far the exponent in a product is from a whole number
_MOST_GAPS, _MOST_SUMS = 0.5, 3
_MOST_COLUMNS, _CHOSEN = 100, 30  # that are tried together; that are chosen of more


class TargetSum(Frozen):
    """Columns that give the target together, as `how` says."""

    columns: tuple[str, ...]
    how: str


def find_sums(sample: pl.DataFrame) -> tuple[TargetSum, ...]:
    """Find columns that add up to the target, the sample's first column, or multiply to it.

    >>> parts = {"a": range(100), "b": [n * n % 17 for n in range(100)]}
    >>> rows = pl.DataFrame({"total": [n + 2 * (n * n % 17) for n in range(100)]} | parts)
    >>> find_sums(rows)
    (TargetSum(columns=('a', 'b'), how='adds up to it'),)
    """
    target, *others = (_as_number(column) for column in sample.get_columns())
    if target is None:
        return ()
    numbers = [each for each in others if each is not None and each.n_unique() > 1]
    sums: list[TargetSum] = []
    while len(sums) < _MOST_SUMS:
        taken = {name for each in sums for name in each.columns}
        found = _find_sum(target, [each for each in numbers if each.name not in taken])
        if found is None:
            break
        sums.append(found)
    return tuple(sums)


def _find_sum(target: pl.Series, numbers: list[pl.Series]) -> TargetSum | None:
    """Try columns with few gaps, then 0 for every gap, then logarithms of what is above 0."""
    few = [each for each in numbers if each.null_count() <= _MOST_GAPS * len(each)]
    names = [each.name for each in numbers]
    table = pl.DataFrame([target.alias("\0"), *numbers]).drop_nulls("\0")
    tries = [table.select("\0", *(each.name for each in few)).drop_nulls(), table.fill_null(0.0)]
    for rows in tries[: 1 + any(table.null_count().row(0))]:
        if used := _fit(rows):
            return TargetSum(columns=tuple(used), how="adds up to it")
    positive = [name for name in names if (table[name].drop_nulls() > 0).mean() == 1]
    logs = (
        table.select("\0", *positive).drop_nulls().filter(pl.col("\0") > 0).select(pl.all().log())
    )
    used = _fit(logs)
    if len(used) > 1 and all(abs(each - round(each)) < _WHOLE for each in used.values()):
        return TargetSum(columns=tuple(used), how="multiplies to it")
    return None


def _fit(table: pl.DataFrame) -> dict[str, float]:
    """Give the columns that tell the first one, and how often each is added; none if none do."""
    if len(table) < _FEWEST:
        return {}
    rows = table.to_numpy()
    centred, spread = rows - rows.mean(axis=0), rows.std(axis=0)
    y, x = centred[:, 0], centred[:, 1:] / np.where(spread[1:] > 0, spread[1:], 1)
    places = _preselect(y, x)
    x, half = x[:, places], len(y) // 2
    weights = np.linalg.lstsq(x[:half], y[:half], rcond=None)[0]
    rest = y[half:] - x[half:] @ weights
    if not spread[0] or (rest**2).mean() > (1 - _TOLD) * spread[0] ** 2:
        return {}
    weights = np.linalg.lstsq(x, y, rcond=None)[0]
    errors = np.sqrt(np.diag(np.linalg.pinv(x.T @ x)).clip(0) * ((y - x @ weights) ** 2).mean())
    used = (np.abs(weights) > _USED * np.abs(weights).max()) & (np.abs(weights) > _SURE * errors)
    names = [table.columns[1 + place] for place in places]
    return {
        name: float(weight / spread[1 + place])
        for name, weight, place, each in zip(names, weights, places, used, strict=True)
        if each
    }


def _preselect(y: Array, x: Array) -> list[int]:
    """Choose columns where they are too many for the rows, each by what the others leave."""
    if x.shape[1] <= min(_MOST_COLUMNS, len(y) // _ROWS_EACH):
        return list(range(x.shape[1]))
    chosen: list[int] = []
    rest, bases = y, np.empty((len(y), 0))
    while len(chosen) < min(_CHOSEN, len(y) // _ROWS_EACH) and rest @ rest > 1e-9 * (y @ y):
        likeness = np.abs(x.T @ rest)
        likeness[chosen] = 0
        chosen.append(int(likeness.argmax()))
        part = x[:, chosen[-1]] - bases @ (bases.T @ x[:, chosen[-1]])
        part /= max(float(np.linalg.norm(part)), 1e-12)
        bases = np.column_stack([bases, part])
        rest = rest - part * (part @ rest)
    return chosen


def _as_number(column: pl.Series) -> pl.Series | None:
    if not (column.dtype.is_numeric() or column.dtype == pl.Boolean):
        return None
    number = column.cast(pl.Float64)
    return pl.select(pl.when(number.is_finite()).then(number).alias(column.name)).to_series()
