"""The schema of the prediction log: the columns of its Parquet parts, and where parts lie.

Parts lie at `predictions/NAME/date=…/hour=…/`, each of one version. First the columns of
`core.columns.LOGGED`, and LOGGED_INTERVAL where answers have one; then the raw ones: those that
features need, the key and the time, as far as [serving] log_without leaves them in. The service and
`score` both write by this.
"""

from collections.abc import Sequence
from datetime import datetime
from io import BytesIO
from typing import Any

import polars as pl

from tasks.core.columns import (
    LOGGED_CORRECTION,
    LOGGED_INTERVAL,
    LOGGED_PREDICTION,
    LOGGED_REQUEST,
    LOGGED_TIME,
    LOGGED_VERSION,
)
from tasks.core.definition import Definition
from tasks.core.timestamps import UTC_TIME
from tasks.registry.corrections import Correction


def make_part(
    definition: Definition,
    version: str,
    rows: pl.DataFrame,
    predictions: Sequence[Any] | pl.Series,
    asked: Sequence[int],
    requests: Sequence[str],
    correction: Correction | None = None,
) -> pl.DataFrame:
    """Put answered rows into a part; `asked` are microseconds, one of each thing for each row.

    `correction` is the one that they were answered by, where a base rate is followed.
    Where the definition asks for intervals, each prediction is a pair: itself, and its interval.
    """
    several = definition.target.kind == "multiclass" or definition.pinball is not None
    answers = pl.List(pl.Float64) if several else pl.Float64()
    intervals = []
    if definition.serving.interval is not None:
        predictions, told = zip(*predictions, strict=True) if len(predictions) else ((), ())
        intervals.append(pl.Series(LOGGED_INTERVAL, told, dtype=pl.List(pl.Float64)))
    return pl.DataFrame(
        [
            pl.Series(LOGGED_TIME, asked, dtype=pl.Int64).cast(UTC_TIME),
            pl.Series(LOGGED_REQUEST, requests, dtype=pl.String),
            pl.Series(LOGGED_VERSION, [version]).new_from_index(0, len(asked)),
            pl.Series(LOGGED_PREDICTION, predictions, dtype=answers),
            *intervals,
            *_name_correction(definition, correction, len(asked)),
            *rows.drop(definition.serving.log_without, strict=False).get_columns(),
        ]
    )


def _name_correction(
    definition: Definition, correction: Correction | None, rows: int
) -> list[pl.Series]:
    if definition.serving.follow_base_rate is None:
        return []
    number = correction and correction.number
    return [pl.Series(LOGGED_CORRECTION, [number], dtype=pl.Int64).new_from_index(0, rows)]


def write_part(part: pl.DataFrame) -> bytes:
    buffer = BytesIO()
    part.write_parquet(buffer, compression="lz4", statistics=False)
    return buffer.getvalue()


def part_path(model: str, now: datetime, name: str) -> str:
    """Say where a part lies that is published now."""
    return f"predictions/{model}/date={now:%Y-%m-%d}/hour={now:%H}/{name}.parquet"
