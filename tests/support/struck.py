"""Real flights of a week in April whose data a fault struck, and the alarm calibrated before it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl

from tasks.alarms.calibration import Calibration
from tasks.alarms.thresholds import calibrate
from tasks.causes.evidence import Evidence
from tasks.core.columns import TIME
from tasks.core.definition import Definition
from tasks.core.definition_file import load_definition
from tasks.features.transform import Features, compile_features
from tasks.sources.query import open_table

REPOSITORY = Path(__file__).parents[2]
APRIL = datetime(2013, 4, 1, tzinfo=UTC)
WEEK = timedelta(days=7)
Frame = pl.DataFrame
Fault = Callable[[Frame], Frame | None]


@cache
def flights() -> tuple[Definition, Features, Frame]:
    """Read what the definition extracts from January to July, with event times."""
    origin = REPOSITORY / "deployments" / "flight_delay.toml"
    definition = load_definition(origin)
    table = open_table(definition, REPOSITORY)
    assert table.time is not None
    rows = table.rows.filter(table.time < datetime(2013, 8, 1, tzinfo=UTC))
    features = compile_features(definition, table.columns, str(origin))
    return definition, features, rows.with_columns(table.time.alias(TIME)).collect().sort(TIME)


@cache
def april() -> Calibration:
    """Calibrate as of April; every feature matters alike."""
    definition, features, rows = flights()
    weights = dict.fromkeys(features.expressions, 1 / len(features.expressions))
    return calibrate(definition, features, weights, rows.filter(pl.col(TIME) < APRIL))


def struck(fault: Fault, where: pl.Expr | None = None) -> Evidence:
    """Strike the first week of April, or some of its rows; four weeks before it are sound."""
    definition, features, rows = flights()
    week = rows.filter(pl.col(TIME) > APRIL, pl.col(TIME) <= APRIL + WEEK)
    hit = pl.lit(True) if where is None else where
    spoiled = fault(week.filter(hit))
    assert spoiled is not None
    before = rows.filter(pl.col(TIME) > APRIL - 4 * WEEK, pl.col(TIME) <= APRIL)
    both = pl.concat([before, spoiled, week.filter(~hit)], how="vertical_relaxed")
    both = both.sort(TIME, maintain_order=True)
    return Evidence(definition, features, april(), both, APRIL)


def changed(*expressions: pl.Expr) -> Fault:
    return lambda rows: rows.with_columns(*expressions)


def replaced(name: str, share: float, value: float | str | None) -> Fault:
    """Put one value in the place of a share of a column's."""

    def strike(rows: Frame) -> Frame:
        drawn = pl.Series(np.random.default_rng(5).random(len(rows)) < share)
        given = pl.lit(value).cast(rows.schema[name])
        return rows.with_columns(pl.when(drawn).then(given).otherwise(pl.col(name)).alias(name))

    return strike
