"""How two versions answer the same rows: which decisions flip, or how far values move, and where.

A decision is what a service answers: yes from a version's own threshold on, or the likeliest class.
Not responsible for which rows these are (`shared_rows`), nor for which version is better.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from tasks.core.columns import TARGET
from tasks.core.definition import Definition, Frozen
from tasks.core.pinball import take_middle
from tasks.evaluation.metrics import Array
from tasks.evaluation.slices import SLICE

_MOST_FLIPS, _MOST_SLICES = 20, 20
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


class Flip(Frozen):
    """Rows whose decision was one thing and is another, and in how many it is right now, or was."""

    before: str
    after: str
    rows: int
    right_before: int
    right_after: int


class Decisions(Frozen):
    """How many decisions flip; `thresholds` are those of a yes, before and after."""

    rows: int
    flipped: int
    share: float
    mended: int
    spoilt: int
    flips: tuple[Flip, ...]
    thresholds: tuple[float, float] | None = None


class Differences(Frozen):
    """How far values move, after minus before, in the target's unit.

    `typical_error` is the mean absolute error before, `beyond` the share of rows that move by more
    than that. `quantiles` are those of 5, 25, 50, 75 and 95 %.
    """

    rows: int
    moved: int
    mean: float
    mean_size: float
    quantiles: tuple[float, ...]
    typical_error: float
    beyond: float


class SliceChange(Frozen):
    """The rows in which a slice has one value: how many decisions flip, or how far values move."""

    slice: str
    level: str
    rows: int
    flipped: int | None = None
    share: float | None = None
    mean_size: float | None = None


class Moves(Frozen, arbitrary_types_allowed=True):
    """How two versions' answers differ: by decisions or, of a regression, by values; and where.

    `moved` says of each row whether its decision flips, or by how much its value moves.
    """

    moved: Array
    decisions: Decisions | None = None
    differences: Differences | None = None
    slices: tuple[SliceChange, ...] = ()


def measure_moves(
    before: tuple[Definition, Array],
    after: tuple[Definition, Array],
    rows: pl.DataFrame,
    classes: Sequence[str],
    least: int,
) -> Moves:
    """Compare two definitions' predictions for rows with a target; slices have `least` rows.

    The middle one stands for all quantiles.
    """
    target = rows[TARGET].to_numpy()
    if after[0].target.kind == "regression":
        was, now = (take_middle(each.pinball, values) for each, values in (before, after))
        moved = now - was
        found: dict[str, Any] = {"differences": measure_differences(was, now, target)}
    else:
        one, other = decide(*before), decide(*after)
        moved, decisions = one != other, count_flips(one, other, target, classes)
        ends = None if classes else (before[0].threshold, after[0].threshold)
        found = {"decisions": decisions.model_copy(update={"thresholds": ends})}
    return Moves(moved=moved, slices=compare_slices(rows, moved, least), **found)


def decide(definition: Definition, predicted: Array) -> Array:
    """Give each row's decision: 0 or 1 by a version's threshold, or the place of a class."""
    if predicted.ndim == 2:
        return np.asarray(predicted.argmax(axis=1))
    return np.asarray(predicted >= definition.threshold, dtype=np.int64)


def count_flips(
    before: Array, after: Array, target: Array, classes: Sequence[str] = ()
) -> Decisions:
    """Count the decisions that flip, by what they were and are; the most frequent first.

    >>> found = count_flips(np.array([0, 0, 1]), np.array([0, 1, 1]), np.array([0.0, 1.0, 1.0]))
    >>> found.flipped, found.mended, found.flips[0].before, found.flips[0].after
    (1, 1, 'no', 'yes')
    """
    names = tuple(classes) or ("no", "yes")
    told = pl.DataFrame({"before": before, "after": after, "target": target}).with_columns(
        was=pl.col("before") == pl.col("target"), now=pl.col("after") == pl.col("target")
    )
    flipped = told.filter(pl.col("before") != pl.col("after"))
    kinds = (
        flipped.group_by("before", "after")
        .agg(pl.len().alias("rows"), pl.col("was").sum(), pl.col("now").sum())
        .sort(["rows", "before", "after"], descending=[True, False, False])
    )
    return Decisions(
        rows=len(told),
        flipped=len(flipped),
        share=len(flipped) / len(told),
        mended=int(flipped["now"].sum()),
        spoilt=int(flipped["was"].sum()),
        flips=tuple(
            Flip(
                before=names[one], after=names[other], rows=rows, right_before=was, right_after=now
            )
            for one, other, rows, was, now in kinds.head(_MOST_FLIPS).iter_rows()
        ),
    )


def measure_differences(before: Array, after: Array, target: Array) -> Differences:
    """Measure how far a regression's values move, beside how far off they usually are."""
    moved, error = after - before, float(np.abs(before - target).mean())
    return Differences(
        rows=len(moved),
        moved=int((moved != 0).sum()),
        mean=float(moved.mean()),
        mean_size=float(np.abs(moved).mean()),
        quantiles=tuple(float(each) for each in np.quantile(moved, _QUANTILES)),
        typical_error=error,
        beyond=float((np.abs(moved) > error).mean()),
    )


def compare_slices(rows: pl.DataFrame, moved: Array, least: int) -> tuple[SliceChange, ...]:
    """Rank the slices with enough rows by how much moves there: flips (true), or differences."""
    flips, sizes = moved.dtype == np.bool_, pl.Series("moved", np.abs(moved.astype(np.float64)))
    found = []
    for column in (name for name in rows.columns if name.startswith(SLICE)):
        each = pl.DataFrame({"level": rows[column], "moved": sizes}).group_by("level")
        told = each.agg(pl.len().alias("rows"), pl.col("moved").sum().alias("sum"))
        for level, count, total in told.filter(pl.col("rows") >= least).sort("level").iter_rows():
            mean, named = total / count, {"slice": column.removeprefix(SLICE), "level": level}
            what = {"flipped": int(total), "share": mean} if flips else {"mean_size": mean}
            found.append((mean, SliceChange(**named, rows=count, **what)))
    ranked = sorted(found, key=lambda pair: -pair[0])
    return tuple(each for _, each in ranked[:_MOST_SLICES])
