"""Quantiles shifted: by how much each level's forest is off on rows that it never saw.

Trees learn the ends of what they saw too closely, and lag behind a target that grows. To all
predictions of a level a number is added: the level's own quantile of out-of-fold residuals
(`residuals`), of which newer ones count more (conformal prediction with weights: Barber, Candès,
Ramdas and Tibshirani 2023). In the model's text it is one more tree, of one leaf. Not responsible
for the forests (`quantile_forest`).
"""

from pathlib import Path

import lightgbm
import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.core.columns import WEIGHT
from tasks.extraction.run_plan import Plan
from tasks.preparation.split import Prepared
from tasks.storage.store import reaching
from tasks.training.datasets import Parameters
from tasks.training.quantile_forest import add_constants, grow_quantiles
from tasks.training.residuals import (
    judge_holdout,
    judge_training,
    name_residuals,
    residuals_beside,
    weigh_residuals,
)

_FEWEST = 10  # residuals that are to be expected beyond a level, as they count


def shift_twin(
    plan: Plan, prepared: Prepared, params: Parameters, rounds: int, text: str, twin: Path
) -> str:
    """Shift the twin's quantiles, if it has any; its residuals are kept in a file beside it."""
    pinball = plan.definition.pinball
    if pinball is None:
        return text
    levels = pinball.levels
    found = judge_training(
        plan,
        prepared,
        params,
        lambda rows: grow_quantiles(levels, params, rows, rounds),
        len(levels),
    )
    with reaching(str(twin)):
        found.write_ipc(residuals_beside(twin))
    return add_constants(text, find_shifts(levels, found))


def shift_released(plan: Plan, prepared: Prepared, text: str, twin: Path) -> str:
    """Shift the released quantiles by the residuals of before, and the twin's on the holdout."""
    pinball = plan.definition.pinball
    if pinball is None:
        return text
    known, levels = pl.read_ipc(residuals_beside(twin)), pinball.levels
    newest = judge_holdout(plan, prepared, _open_unshifted(twin), len(levels))
    return add_constants(text, find_shifts(levels, pl.concat([known, newest])))


def find_shifts(levels: tuple[float, ...], found: pl.DataFrame) -> list[float]:
    """Find each level's quantile of its residuals; 0 where too few say what it is."""
    counts = weigh_residuals(found)
    if WEIGHT in found.columns:
        counts = counts * found[WEIGHT].to_numpy()
    effective = float(counts.sum() ** 2 / (counts**2).sum()) if len(counts) else 0.0
    named = zip(levels, name_residuals(len(levels)), strict=True)
    return [
        _find_quantile(found[name].to_numpy(), counts, level)
        if effective * min(level, 1 - level) >= _FEWEST
        else 0.0
        for level, name in named
    ]


def _open_unshifted(model: Path) -> lightgbm.Booster:
    """Open a model without its last round, which shifts it."""
    whole = lightgbm.Booster(model_file=model)
    text = whole.model_to_string(num_iteration=whole.current_iteration() - 1)
    return lightgbm.Booster(model_str=text)


def _find_quantile(values: NDArray[np.float64], counts: NDArray[np.float64], level: float) -> float:
    return float(np.quantile(values, level, weights=counts, method="inverted_cdf"))
