"""Made-up predictions that know so much of what comes true, and the definition that they are of."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from tasks.core.columns import PREDICTION, TARGET, TIME
from tasks.core.definition import Definition

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
