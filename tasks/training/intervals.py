"""Prediction intervals fitted: a quantile model for each end, and how much wider they must be.

Trees learn from some rows, and others that they never saw say how wide intervals are (conformal
prediction): the evaluated twin's learn from FIT and are widened by STOP; those that are released
learn from all rows before the holdout and are widened by it. Not responsible for what the file
means (`core.prediction_interval`).
"""

from pathlib import Path

import lightgbm
import numpy as np

from tasks.core.columns import TARGET
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
from tasks.training.datasets import Parameters, model_input, open_bins
from tasks.training.early_stopping import settle_rounds
from tasks.training.lightgbm_params import blaming

_BEFORE = (SplitRole.FIT, SplitRole.STOP, SplitRole.GAP)


def fit_interval(plan: Plan, prepared: Prepared, params: Parameters, twin: Path) -> None:
    """Fit the twin's intervals into a file beside it, where the definition asks for any."""
    coverage, definition = plan.definition.serving.interval, plan.definition
    if coverage is None:
        return
    ends = end_parameters(params, coverage)
    _refuse_few(plan, prepared, SplitRole.STOP, "[training] stopping_share")
    with blaming(plan.origin):
        rows = open_bins(plan, prepared, params, SplitRole.FIT, SplitRole.STOP)
        rounds = [
            settle_rounds(definition, end, rows, prepared, lambda env: None)[0] for end in ends
        ]
        _fit(plan, prepared, ends, rounds, (SplitRole.FIT,), SplitRole.STOP, twin)


def refit_interval(
    plan: Plan, prepared: Prepared, params: Parameters, twin: Path, released: Path
) -> None:
    """Fit the released model's intervals by the twin's rounds, on newer rows."""
    kept = read_fitted(plan, twin)
    if kept is None:
        return
    _refuse_few(plan, prepared, SplitRole.HOLDOUT, "[training] holdout")
    ends = end_parameters(params, kept.coverage)
    with blaming(plan.origin):
        _fit(plan, prepared, ends, list(kept.rounds), _BEFORE, SplitRole.HOLDOUT, released)


def read_fitted(plan: Plan, model: Path) -> IntervalModel | None:
    """Read the intervals beside a model that was just made, where the definition asks for any."""
    if plan.definition.serving.interval is None:
        return None
    return read_interval(beside(model).read_text("utf-8"), str(beside(model)))


def end_parameters(params: Parameters, coverage: float) -> list[Parameters]:
    """Give the parameters of the models of the lower and of the upper end."""
    tail = (1 - coverage) / 2
    own: Parameters = {**params, "objective": "quantile", "reg_sqrt": False}
    return [{**own, "alpha": level} for level in (tail, 1 - tail)]


def open_ends(interval: IntervalModel | None) -> list[lightgbm.Booster]:
    """Open the models of an interval's two ends; none without an interval."""
    if interval is None:
        return []
    return [lightgbm.Booster(model_str=text) for text in (interval.lower, interval.upper)]


def _fit(
    plan: Plan,
    prepared: Prepared,
    ends: list[Parameters],
    rounds: list[int],
    learned: tuple[SplitRole, ...],
    judged: SplitRole,
    model: Path,
) -> None:
    rows = open_bins(plan, prepared, ends[0], *learned)
    models = [
        lightgbm.train(dict(end), rows, count, keep_training_booster=True)
        for end, count in zip(ends, rounds, strict=True)
    ]
    coverage, deviance = plan.definition.serving.interval, plan.definition.deviance
    assert coverage is not None, "asked for by the definition"
    target, lower, upper = _predict_ends(plan, prepared, models, judged)
    share, floor = find_share(coverage, target, lower, upper)
    fitted = IntervalModel(
        coverage=coverage,
        lower=models[0].model_to_string(),
        upper=models[1].model_to_string(),
        share=share,
        floor=floor,
        least=0.0 if deviance else None,
        rows=len(target),
        rounds=(rounds[0], rounds[1]),
    )
    with reaching(str(model)):
        beside(model).write_text(fitted.model_dump_json(indent=1), encoding="utf-8")


def _predict_ends(
    plan: Plan, prepared: Prepared, models: list[lightgbm.Booster], part: SplitRole
) -> tuple[Array, Array, Array]:
    """Give the target of a part's rows, and what each model predicts for them."""
    found = []
    for frame in prepared.batches([TARGET, *plan.features.expressions], part):
        rows = model_input(frame.drop(TARGET))
        ends = (np.asarray(model.predict(rows)) for model in models)
        found.append(np.column_stack([frame[TARGET].to_numpy(), *ends]))
    target, lower, upper = np.concatenate(found).T
    return target, lower, upper


def _refuse_few(plan: Plan, prepared: Prepared, part: SplitRole, key: str) -> None:
    coverage, rows = plan.definition.serving.interval, prepared.rows[part.name.lower()]
    needed = count_needed(coverage or 0)
    if rows < needed:
        raise DataRefused(
            f"{plan.origin}: [serving] interval = {coverage:g}: {rows:,} rows say how wide "
            f"intervals are, and {needed:,} are needed; give more data, or a larger {key}"
        )
