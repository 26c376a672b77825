"""Predictions of flights that need no model."""

import numpy as np
import polars as pl

from tasks.evaluation.metrics import Array


def guess_lateness(flights: pl.DataFrame) -> Array:
    """Predict lateness from the hour alone: some twenty values, so nearly every row is tied."""
    return (flights["hour"].cast(pl.Float64) / 24).to_numpy()


def guess_airline(flights: pl.DataFrame) -> tuple[Array, Array]:
    """Predict one of 14 airlines, right now and then, some of them never."""
    carriers = flights["carrier"].rank("dense").to_numpy().astype(np.int64) - 1
    scores = np.random.default_rng(1).normal(size=(len(carriers), carriers.max() + 1))
    scores[np.arange(len(carriers)), carriers] += 2
    scores[:, 3] = -50
    return carriers, np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
