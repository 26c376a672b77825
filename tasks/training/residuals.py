"""Out-of-fold residuals: how far models of the same recipe are off on rows that they never saw.

Where rows have a time, each turn judges a stretch of the training window by what was known before
it (rolling origin: Tashman 2000), as the holdout will be judged; where they have none, folds at
random judge each other (cross-conformal prediction: Vovk 2015), more of them where rows are few: a
model that lacks a fifth of them is further off than the one that is served. No group is on both
sides. Not responsible for what is made of residuals (`intervals`).
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import polars as pl
from numpy.typing import NDArray
from polars.selectors import by_name

from tasks.core.columns import GROUP, ROW, TARGET, TIME, WEIGHT
from tasks.extraction.run_plan import Plan
from tasks.preparation.split import Prepared, SplitRole
from tasks.training.datasets import Parameters, model_input, open_bins, take_rows

TRAINING = (SplitRole.FIT, SplitRole.STOP)
TURN = "turn"  # a column, beside ROW, TIME and those of residuals
_TURNS, _FIRST = 5, 1 / 3  # of the window in time, that the first turn learns from
_MORE_TURNS, _SMALL = 10, 10_000  # folds at random of fewer training rows
_JUDGED_GROUPS = 3  # one of so many judges, where rows have a time, too
_FEWEST = 50  # rows to learn from
_HALF_LIFE = 0.2  # of the residuals in time, after which one says half as much of what comes next

Array = NDArray[Any]
Turn = tuple[Array, Array]  # which rows a turn learns from, and which it judges
Grow = Callable[[lightgbm.Dataset], lightgbm.Booster]


def judge_training(
    plan: Plan, prepared: Prepared, params: Parameters, grow: Grow, outputs: int = 1
) -> pl.DataFrame:
    """Give the residuals of rows that a turn judges; its models are grown as the twin is.

    A model of several outputs has a residual for each.
    """
    told = by_name(ROW, TIME, TARGET, GROUP, WEIGHT, require_all=False)
    rows = prepared.scan(*TRAINING).select(told).collect()
    folds = _MORE_TURNS if len(rows) < _SMALL else _TURNS
    turns = cut_turns(plan, prepared, rows, folds=folds)
    data = open_bins(plan, prepared, params, *TRAINING)
    models = [[grow(take_rows(data, each))] for each, _ in turns]
    judged = [each for _, each in turns]
    predicted = predict_turns(plan, prepared, TRAINING, judged, models, outputs)
    turn = np.full(len(rows), -1)
    for place, each in enumerate(judged):
        turn[each] = place
    return _subtract(rows, predicted, turn).filter(pl.col(TURN) >= 0)


def judge_holdout(
    plan: Plan, prepared: Prepared, twin: lightgbm.Booster, outputs: int = 1
) -> pl.DataFrame:
    """Give the holdout's residuals: the twin never saw it, so it is one more turn."""
    told = by_name(ROW, TIME, TARGET, GROUP, WEIGHT, require_all=False)
    rows = prepared.scan(SplitRole.HOLDOUT).select(told).collect()
    everything = [np.ones(len(rows), bool)]
    predicted = predict_turns(plan, prepared, (SplitRole.HOLDOUT,), everything, [[twin]], outputs)
    return _subtract(rows, predicted, np.full(len(rows), _MORE_TURNS))


def residuals_beside(twin: Path) -> Path:
    """Name the file beside a twin that keeps its residuals until the released model is fitted."""
    return twin.with_name(f"{twin.stem}_residuals.arrow")


def name_residuals(outputs: int) -> list[str]:
    """Name the columns of residuals.

    >>> name_residuals(2)
    ['residual_0', 'residual_1']
    """
    return [f"residual_{place}" for place in range(outputs)]


def _subtract(rows: pl.DataFrame, predicted: Array, turn: Array) -> pl.DataFrame:
    off = rows[TARGET].to_numpy()[:, None] - predicted
    named = map(pl.Series, name_residuals(off.shape[1]), off.T)
    kept = rows.drop(TARGET, GROUP, strict=False)
    return kept.with_columns(*named, pl.Series(TURN, turn, dtype=pl.Int8))


def cut_turns(
    plan: Plan, prepared: Prepared, rows: pl.DataFrame, fewest: int = _FEWEST, folds: int = _TURNS
) -> list[Turn]:
    """Say which rows each turn learns from and judges; one with too few to learn is left out.

    `folds` are those at random; stretches of time are always as many.
    """
    training, groups = plan.definition.training, None
    if GROUP in rows.columns:
        groups = rows[GROUP].to_numpy()
    if not prepared.split.timed:
        draw = np.random.default_rng(training.seed).permutation(len(rows))
        place = (draw if groups is None else groups) % folds
        turns = [(place != turn, place == turn) for turn in range(folds)]
    else:
        turns = _cut_time(plan, rows[TIME], groups)
    return [turn for turn in turns if turn[0].sum() >= fewest and turn[1].any()]


def cut_forward(plan: Plan, times: pl.Series, first: float, count: int) -> Iterator[Turn]:
    """Cut times after the `first` share of rows into stretches of as many rows each.

    Each is judged by what had matured before it began (rolling origin: Tashman 2000).
    """
    moments = times.dt.epoch("us").to_numpy()
    delay = plan.definition.target.matures_after.total_seconds() * 1e6
    edges = np.quantile(moments, np.linspace(first, 1, count + 1), method="lower")
    edges[-1] += 1  # the newest row is of the last stretch
    for start, end in pairwise(edges):
        yield moments < start - delay, (moments >= start) & (moments < end)


def _cut_time(plan: Plan, times: pl.Series, groups: Array | None) -> list[Turn]:
    turns = list(cut_forward(plan, times, _FIRST, _TURNS))
    if groups is None:
        return turns
    judging = [groups % _JUDGED_GROUPS == turn % _JUDGED_GROUPS for turn in range(_TURNS)]
    return [
        (learned & ~each, judged & each)
        for (learned, judged), each in zip(turns, judging, strict=True)
    ]


def weigh_residuals(found: pl.DataFrame) -> Array:
    """Give what residuals count, from 0 to 1: less the more are newer; without a time all alike."""
    if found[TIME].null_count():
        return np.ones(len(found))
    times = found[TIME].dt.epoch("us").to_numpy()
    newer = len(times) - np.searchsorted(np.sort(times), times, side="right")
    return np.asarray(0.5 ** (newer / len(times) / _HALF_LIFE))


def predict_turns(
    plan: Plan,
    prepared: Prepared,
    parts: tuple[SplitRole, ...],
    judged: Sequence[Array],
    models: Sequence[Sequence[lightgbm.Booster]],
    outputs: int,
) -> Array:
    """Let each turn's models predict the rows that it judges; shape (rows, outputs of them all).

    Rows that no turn judges have no number.
    """
    count = sum(prepared.rows.get(part.name.lower(), 0) for part in parts)
    found, start = np.full((count, outputs), np.nan), 0
    for frame in prepared.batches(list(plan.features.expressions), *parts):
        here = found[start : start + len(frame)]
        for rows, some in zip(judged, models, strict=True):
            inside = rows[start : start + len(frame)]
            if inside.any():
                numbers = model_input(frame.filter(pl.Series(inside)))
                here[inside] = np.column_stack([model.predict(numbers) for model in some])
        start += len(frame)
    return found
