"""A champion is stale where a challenger is surely better on the labels that came true lately."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from tasks.core.columns import CHALLENGER_PREDICTION, PREDICTION, TARGET, TIME
from tasks.core.definition import Definition
from tasks.monitoring.staleness import look_for_loss

DEFINITION = Definition.model_validate(
    {
        "name": "made",
        "sources": {"s": "s.parquet"},
        "extract": {"time": "t", "key": ("id",)},
        "target": {"value": "y", "kind": "binary", "matures_after": timedelta(days=1)},
    }
)
START = datetime(2020, 1, 1, tzinfo=UTC)


def rows(days: int, sharpness: float, seed: int = 1) -> pl.DataFrame:
    """Make 100 rows a day whose predictions know so much of what comes true."""
    rng = np.random.default_rng(seed)
    signal = rng.normal(size=100 * days)
    target = (signal + rng.normal(size=len(signal)) > 0).astype(float)
    blurred = sharpness * signal + (1 - sharpness) * rng.normal(size=len(signal))
    return pl.DataFrame(
        {
            TIME: [START + timedelta(minutes=14.4 * place) for place in range(len(signal))],
            TARGET: target,
            PREDICTION: 1 / (1 + np.exp(-1.6 * blurred)),
        },
        schema_overrides={TIME: pl.Datetime("us", "UTC")},
    )


def test_only_what_matured_by_now_can_be_lost() -> None:
    fell, quick = rows(30, 0.1), rows(30, 1.0)[PREDICTION].alias(CHALLENGER_PREDICTION)
    end = START + timedelta(days=30)
    lost = look_for_loss(DEFINITION, fell.with_columns(quick), end)
    assert lost.startswith("auc of a quick model is better by 0.")
    assert look_for_loss(DEFINITION, rows(30, 1.0).with_columns(quick), end) == ""
    late = fell.with_columns(
        pl.when(pl.col(TIME) > end - timedelta(days=1)).then(0.0).otherwise(TARGET).alias(TARGET)
    )
    assert look_for_loss(DEFINITION, late.with_columns(quick), end) == lost
    assert look_for_loss(DEFINITION, fell.with_columns(quick).head(900), end) == ""
