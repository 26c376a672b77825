"""A scored holdout, made up, for tests of the gate and of what it compares."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from tasks.core.columns import TARGET, TIME
from tasks.core.definition import Definition, parse_definition
from tasks.evaluation.slices import SLICE

DEFINITION = """
name = "m"
sources.s = "s.parquet"
target = {{ value = "y", kind = "{kind}" }}
gate = {{ {gate} }}
"""
ROWS = 2_000
START = datetime(2020, 1, 1, tzinfo=UTC)


def definition_of(kind: str = "binary", gate: str = "") -> Definition:
    return parse_definition(DEFINITION.format(kind=kind, gate=gate), "m.toml")


def make_rows(sharpness: float = 1.0) -> pl.DataFrame:
    """Make rows of 40 days whose chance is known, predictions of it, and four slices of a level."""
    random = np.random.default_rng(1)
    odds = random.normal(-1, 1, ROWS)
    chance = 1 / (1 + np.exp(-odds))
    return pl.DataFrame(
        {
            TIME: [START + timedelta(minutes=29 * row) for row in range(ROWS)],
            TARGET: (random.random(ROWS) < chance) * 1.0,
            "predicted": 1 / (1 + np.exp(-sharpness * odds)),
            "baseline": np.full(ROWS, 0.3),
            "simple": np.full(ROWS, 0.3),
            f"{SLICE}half": np.where(np.arange(ROWS) % 2 == 0, "even", "odd"),
            f"{SLICE}few": np.where(np.arange(ROWS) < 199, "few", "many"),
        }
    )
