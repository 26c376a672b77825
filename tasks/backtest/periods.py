"""The periods of a replay, and how well what was answered in each turned out.

Responsible for measuring answers, period by period, and for averages over periods. Not responsible
for who answered (`flows/backtest_simulation`).
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import pairwise

import numpy as np
import polars as pl
from pydantic import Field

from tasks.core.columns import HIGH, LOW, PREDICTION, TARGET, TIME, WEIGHT
from tasks.core.definition import Definition, Frozen
from tasks.core.model_sections import Metric
from tasks.evaluation.prior_shift import PriorShift, find_shift
from tasks.evaluation.quantile_shares import calibrate_model
from tasks.evaluation.row_values import read_weights
from tasks.monitoring.holdout_comparison import as_array, measure_rows

FEWEST = 50  # rows with a label that a period needs to be measured


class Period(Frozen):
    """Rows that were asked between two times, and how the answers turned out.

    `calibration` is the calibration error, and `prior_shift` the base rate that moved, where that
    is why it is off. `coverage` is the share of rows in their interval, where answers have one.
    """

    start: datetime
    end: datetime
    rows: int
    metrics: dict[Metric, float]
    calibration: float
    prior_shift: PriorShift | None = None
    coverage: float | None = Field(default=None, exclude_if=lambda value: value is None)


def measure_periods(
    definition: Definition, history: pl.DataFrame, dates: Sequence[datetime]
) -> tuple[Period, ...]:
    """Measure the predictions of each period that has labels enough."""
    return tuple(
        measure_period(definition, rows, start, end)
        for start, end, rows in cut_periods(history, dates)
    )


def cut_periods(
    history: pl.DataFrame, dates: Sequence[datetime]
) -> Iterator[tuple[datetime, datetime, pl.DataFrame]]:
    """Give the labelled rows of each period that has enough of them."""
    for start, end in pairwise(dates):
        rows = known_rows(history, start, end)
        if len(rows) >= FEWEST and rows[TARGET].n_unique() > 1:
            yield start, end, rows


def known_rows(history: pl.DataFrame, start: datetime, end: datetime) -> pl.DataFrame:
    """Give the rows of a period that have a label, and count for something."""
    counts = pl.col(WEIGHT) > 0 if WEIGHT in history.columns else pl.lit(True)
    inside = pl.col(TIME).is_between(start, end, closed="right")
    return history.filter(inside, pl.col(TARGET).is_not_null(), counts)


def measure_period(
    definition: Definition, rows: pl.DataFrame, start: datetime, end: datetime
) -> Period:
    """Measure rows that were answered between two times."""
    target, predicted = rows[TARGET].to_numpy(), as_array(rows[PREDICTION])
    weights = read_weights(rows)
    return Period(
        start=start,
        end=end,
        rows=len(rows),
        metrics=measure_rows(definition, rows),
        calibration=calibrate_model(definition, target, predicted, weights)[1],
        prior_shift=find_shift(definition, target, predicted, weights),
        coverage=_cover(rows) if LOW in rows.columns else None,
    )


def _cover(rows: pl.DataFrame) -> float:
    """Give the share of rows whose target lies in its interval."""
    low, high, target = (rows[name].to_numpy() for name in (LOW, HIGH, TARGET))
    return float(((low <= target) & (target <= high)).mean())


def average_periods(periods: Iterable[Period]) -> dict[Metric, float]:
    """Average each metric over periods, each counting as much."""
    found = [each.metrics for each in periods]
    return {
        metric: float(np.mean([each[metric] for each in found])) for metric in (found or [{}])[0]
    }


def average_calibration(periods: Sequence[Period]) -> float | None:
    """Average the calibration error over periods; None where none could be measured."""
    return float(np.mean([each.calibration for each in periods])) if periods else None
