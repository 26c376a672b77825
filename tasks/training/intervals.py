"""Prediction intervals fitted: a quantile model for each end, and how much wider they must be.

Both learn how far out-of-fold predictions were off (`residuals`), so that an interval lies around
the prediction, and moves with it where the target grows. How wide is settled by rows that neither
learned from: those of one turn by models of the others. What is released learns from the holdout,
too, which the twin has judged by then. Not responsible for what the file means
(`core.prediction_interval`).
"""

from pathlib import Path

import lightgbm
import numpy as np
import polars as pl

from tasks.core.columns import ROW
from tasks.core.errors import DataRefused
from tasks.core.prediction_interval import (
    Array,
    IntervalModel,
    beside,
    count_needed,
    find_share,
    read_interval,
)
from tasks.extraction.run_plan import Plan
from tasks.preparation.split import Prepared, SplitRole
from tasks.storage.store import reaching
from tasks.training.datasets import Parameters, open_bins, take_rows
from tasks.training.lightgbm_params import blaming
from tasks.training.residuals import (
    TRAINING,
    TURN,
    judge_holdout,
    judge_training,
    name_residuals,
    predict_turns,
    residuals_beside,
    weigh_residuals,
)

_ROUNDS = 100
_BELOW, _ABOVE = "below", "above"  # columns of residuals: where ends of others lie
_LEAF_ROWS = 5  # that are expected beyond an end, in the smallest leaf
# Noise has a simpler shape than what it is noise of; and it does not rise where a feature does.
_CALM: Parameters = {
    "objective": "quantile", "reg_sqrt": False, "linear_tree": False, "boosting": "gbdt",
    "num_leaves": 8, "learning_rate": 0.1,
}  # fmt: skip
_OF_PREDICTIONS = {"monotone_constraints", "monotone_constraints_method", "monotone_penalty"}


def fit_interval(
    plan: Plan, prepared: Prepared, params: Parameters, rounds: int, twin: Path
) -> None:
    """Fit the twin's intervals into a file beside it, where the definition asks for any."""
    coverage = plan.definition.serving.interval
    if coverage is None:
        return
    with blaming(plan.origin):
        found = judge_training(
            plan,
            prepared,
            params,
            lambda rows: lightgbm.train(dict(params), rows, rounds, keep_training_booster=True),
        )
        _refuse_few(plan, coverage, found)
        ends = end_parameters(params, coverage, len(found))
        data, turn = _open_residuals(plan, prepared, ends, found, TRAINING)
        turns = [turn == each for each in np.unique(turn[turn >= 0])]
        models = [_grow_ends(ends, data, (turn >= 0) & ~each) for each in turns]
        offsets = predict_turns(plan, prepared, TRAINING, turns, models, 2)[turn >= 0]
        judged = _add_offsets(found, offsets)
        with reaching(str(twin)):
            judged.write_ipc(residuals_beside(twin))
        _keep(plan, judged, _grow_ends(ends, data, turn >= 0), twin)


def refit_interval(
    plan: Plan, prepared: Prepared, params: Parameters, twin: Path, released: Path
) -> None:
    """Fit the released model's intervals by the residuals of before and those of the holdout.

    The twin's ends have not seen the holdout either, and judge it.
    """
    kept = read_fitted(plan, twin)
    if kept is None:
        return
    with blaming(plan.origin):
        newest = judge_holdout(plan, prepared, lightgbm.Booster(model_file=twin))
        part, every = (SplitRole.HOLDOUT,), [np.ones(len(newest), bool)]
        offsets = predict_turns(plan, prepared, part, every, [open_ends(kept)], 2)
        known = pl.read_ipc(residuals_beside(twin))
        judged = pl.concat([known, _add_offsets(newest, offsets)])
        ends = end_parameters(params, kept.coverage, len(judged))
        data, turn = _open_residuals(plan, prepared, ends, judged, (*TRAINING, *part))
        _keep(plan, judged, _grow_ends(ends, data, turn >= 0), released)


def read_fitted(plan: Plan, model: Path) -> IntervalModel | None:
    """Read the intervals beside a model that was just made, where the definition asks for any."""
    if plan.definition.serving.interval is None:
        return None
    return read_interval(beside(model).read_text("utf-8"), str(beside(model)))


def end_parameters(params: Parameters, coverage: float, rows: int) -> list[Parameters]:
    """Give the parameters of the models of the lower and of the upper end."""
    tail = (1 - coverage) / 2
    kept = {name: value for name, value in params.items() if name not in _OF_PREDICTIONS}
    least = min(round(_LEAF_ROWS / tail), max(rows // 20, 10))
    leaf = max(int(params.get("min_data_in_leaf", 0)), least)
    own = {**kept, **_CALM, "min_data_in_leaf": leaf}
    return [{**own, "alpha": level} for level in (tail, 1 - tail)]


def open_ends(interval: IntervalModel | None) -> list[lightgbm.Booster]:
    """Open the models of an interval's two ends; none without an interval."""
    if interval is None:
        return []
    return [lightgbm.Booster(model_str=text) for text in (interval.lower, interval.upper)]


def _open_residuals(
    plan: Plan,
    prepared: Prepared,
    ends: list[Parameters],
    found: pl.DataFrame,
    parts: tuple[SplitRole, ...],
) -> tuple[lightgbm.Dataset, Array]:
    """Bin the rows of parts with their residuals as labels, and say which turn judged each."""
    rows = prepared.scan(*parts).select(ROW).collect()
    told = rows.join(found, on=ROW, how="left", maintain_order="left")
    residual = told[name_residuals(1)[0]].fill_null(0).to_numpy()
    data = open_bins(plan, prepared, ends[0], *parts).set_label(residual)
    return data, told[TURN].fill_null(-1).to_numpy()


def _grow_ends(
    ends: list[Parameters], data: lightgbm.Dataset, learned: Array
) -> list[lightgbm.Booster]:
    rows = take_rows(data, learned)
    return [lightgbm.train(dict(end), rows, _ROUNDS, keep_training_booster=True) for end in ends]


def _add_offsets(found: pl.DataFrame, offsets: Array) -> pl.DataFrame:
    """Add what ends say of residuals that they did not learn from."""
    return found.with_columns(pl.Series(_BELOW, offsets[:, 0]), pl.Series(_ABOVE, offsets[:, 1]))


def _keep(plan: Plan, judged: pl.DataFrame, models: list[lightgbm.Booster], model: Path) -> None:
    """Say how much wider intervals must be, and put them into a file beside their model."""
    coverage, deviance = plan.definition.serving.interval, plan.definition.deviance
    assert coverage is not None, "asked for by the definition"
    named = (name_residuals(1)[0], _BELOW, _ABOVE)
    residual, below, above = (judged[name].to_numpy() for name in named)
    share, floor = find_share(coverage, residual, below, above, weigh_residuals(judged))
    fitted = IntervalModel(
        coverage=coverage,
        lower=models[0].model_to_string(),
        upper=models[1].model_to_string(),
        share=share,
        floor=floor,
        least=0.0 if deviance else None,
        rows=len(judged),
        rounds=(_ROUNDS, _ROUNDS),
        around=True,
    )
    with reaching(str(model)):
        beside(model).write_text(fitted.model_dump_json(indent=1), encoding="utf-8")


def _refuse_few(plan: Plan, coverage: float, found: pl.DataFrame) -> None:
    """Refuse residuals that are too few, as they count, to tell how wide intervals must be."""
    count, needed = float(weigh_residuals(found).sum()), count_needed(coverage)
    if count < needed or found[TURN].n_unique() < 2:
        raise DataRefused(
            f"{plan.origin}: [serving] interval = {coverage:g}: {len(found):,} rows say how wide "
            f"intervals are, of which older ones count less: all together as {int(count):,}, and "
            f"{needed:,} are needed, of two stretches of time at least; give more data, or a "
            "smaller interval"
        )
