"""A made-up table for models of quantiles, and a version of them that the steps made."""

from pathlib import Path

import lightgbm
import numpy as np
import polars as pl
from any_model import make_folder
from tables import Project
from uncertain import SECTIONS, UNCERTAIN, prepare_uncertain

from tasks.extraction.run_plan import Plan
from tasks.extraction.snapshot import Snapshot
from tasks.preparation.split import Prepared
from tasks.training.quantile_forest import grow_quantiles

LEVELS = (0.1, 0.5, 0.9)
TARGET = 'value = "y"\nkind = "regression"\nquantiles = [0.1, 0.5, 0.9]'
QUANTILES = {**SECTIONS, "target": TARGET, "serving": 'predictor = "compiled"'}


def prepare_quantiles(
    made: Project, rows: pl.DataFrame = UNCERTAIN, **sections: str
) -> tuple[Plan, Snapshot, Prepared]:
    return prepare_uncertain(made, rows, **{**QUANTILES, **sections})


def make_quantiles(folder: Path, **sections: str) -> Path:
    """Train a version by the plain functions of the steps, and give its folder."""
    return make_folder(folder, UNCERTAIN, **{**QUANTILES, **sections})


def grow_crossing() -> lightgbm.Booster:
    """Train levels that lie so near to each other that many rows' quantiles cross."""
    draw = np.random.default_rng(6)
    params: dict[str, bool | int | float | str] = {
        "objective": "quantile", "verbosity": -1, "num_threads": 1, "num_leaves": 7,
    }  # fmt: skip
    data = lightgbm.Dataset(draw.normal(size=(400, 2)), draw.normal(size=400), params=dict(params))
    return grow_quantiles((0.45, 0.5, 0.55), params, data, 30)
