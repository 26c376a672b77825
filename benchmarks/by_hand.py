"""What a careful engineer writes by hand for one table: LightGBM and scikit-learn, no framework.

Three plain models learn from the same training rows, and are asked about the same holdout: LightGBM
as its scikit-learn class comes, LightGBM with early stopping on the slice that the project keeps
for it and then once more on all training rows, and scikit-learn's histogram boosting as it comes.
Categories are numbered by the training rows; nothing else is prepared. Imports nothing of the
project.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import lightgbm
import numpy as np
import polars as pl
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.preprocessing import OrdinalEncoder

Array = np.ndarray
_LEVELS = 250  # as many as histogram boosting takes; others are numbers to it
_LOSSES = {"poisson": "poisson", "gamma": "gamma"}  # what it has for counts and amounts


@dataclass(frozen=True)
class Task:
    """Rows split already: numbers by part, their target, and what a script would set."""

    kind: str
    fit: Array
    stop: Array
    held: Array
    target: dict[str, Array]
    weights: dict[str, Array | None]
    names: tuple[str, ...]
    categories: tuple[int, ...]
    params: Mapping[str, Any]

    @property
    def given(self) -> dict[str, Any]:
        """LightGBM's parameters; constraints by the features' places."""
        own = {
            name: value
            for name, value in self.params.items()
            if name not in ("weight", "quantiles")
        }
        if rising := own.pop("monotone", None):
            own["monotone_constraints"] = [int(name in rising) for name in self.names]
        return {"random_state": 1, "verbosity": -1, "n_jobs": 2, **own}


def number(rows: Mapping[str, pl.DataFrame], categories: list[str]) -> dict[str, Array]:
    """Turn text into numbers by the levels of training rows, and leave numbers as they are."""
    seen = pl.concat([rows["fit"], rows["stop"]])
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan)
    if categories:
        encoder.fit(seen.select(categories).fill_null("missing").to_numpy())

    def apply(part: pl.DataFrame) -> Array:
        if categories and len(part):
            codes = encoder.transform(part.select(categories).fill_null("missing").to_numpy())
            numbered = [pl.Series(name, codes[:, at]) for at, name in enumerate(categories)]
            part = part.with_columns(numbered)
        return part.select(pl.all().cast(pl.Float64)).to_numpy()

    return {name: apply(part) for name, part in rows.items()}


def predict_by_hand(task: Task) -> Iterator[tuple[str, Array]]:
    """Give each plain model's name and what it predicts for the holdout."""
    whole = np.concatenate([task.fit, task.stop])
    target = np.concatenate([task.target["fit"], task.target["stop"]])
    weights = None
    if task.weights["fit"] is not None:
        weights = np.concatenate([task.weights["fit"], task.weights["stop"]])  # type: ignore[list-item]
    estimator = lightgbm.LGBMRegressor if task.kind == "regression" else lightgbm.LGBMClassifier
    marked = {"categorical_feature": list(task.categories) or "auto"}
    if levels := task.params.get("quantiles"):
        yield "lightgbm", predict_quantiles(task, whole, target, weights, levels)
        return
    plain = estimator(**task.given).fit(whole, target, sample_weight=weights, **marked)
    yield "lightgbm", answer(plain, task.held)
    rounds = settle_rounds(estimator, task, marked)
    stopped = estimator(**task.given, n_estimators=rounds)
    yield "stopped", answer(stopped.fit(whole, target, sample_weight=weights, **marked), task.held)
    boosting = make_boosting(task, whole)
    if boosting is not None:
        yield "boosting", answer(boosting.fit(whole, target, sample_weight=weights), task.held)


def predict_quantiles(
    task: Task, rows: Array, target: Array, weights: Array | None, levels: tuple[float, ...]
) -> Array:
    """Give what a LightGBM model for each level predicts, which knows nothing of the others."""
    marked, found = list(task.categories) or "auto", []
    for level in levels:
        model = lightgbm.LGBMRegressor(**task.given, objective="quantile", alpha=level)
        model.fit(rows, target, sample_weight=weights, categorical_feature=marked)
        found.append(np.asarray(model.predict(task.held)))
    return np.column_stack(found)


def settle_rounds(estimator: Any, task: Task, marked: Mapping[str, Any]) -> int:
    """Stop where the loss on the slice kept for it has not improved for 50 rounds."""
    model = estimator(**task.given, n_estimators=1000)
    given = {} if task.weights["stop"] is None else {"eval_sample_weight": [task.weights["stop"]]}
    model.fit(
        task.fit,
        task.target["fit"],
        sample_weight=task.weights["fit"],
        eval_X=task.stop,
        eval_y=task.target["stop"],
        callbacks=[lightgbm.early_stopping(50, verbose=False)],
        **given,
        **marked,
    )
    return int(model.best_iteration_ or 1000)


def make_boosting(task: Task, rows: Array) -> Any:
    """Make scikit-learn's histogram boosting; None where it has not the loss that is asked for."""
    few = [at for at in task.categories if np.nanmax(rows[:, at], initial=0) < _LEVELS]
    own: dict[str, Any] = {"categorical_features": few or None, "random_state": 1}
    if rising := task.params.get("monotone"):
        own["monotonic_cst"] = [int(name in rising) for name in task.names]
    if task.kind != "regression":
        return HistGradientBoostingClassifier(**own)
    objective = task.params.get("objective")
    if objective is not None:
        if objective not in _LOSSES:
            return None
        own["loss"] = _LOSSES[objective]
    return HistGradientBoostingRegressor(**own)


def answer(model: Any, rows: Array) -> Array:
    """Give probabilities (of 1, or of each class) or values."""
    if not hasattr(model, "predict_proba"):
        return np.asarray(model.predict(rows))
    chances = np.asarray(model.predict_proba(rows))
    return chances[:, 1] if chances.shape[1] == 2 else chances


def split_conformal(task: Task, coverage: float) -> tuple[Array, Array]:
    """Give intervals of one width: the quantile of the stopping slice's residuals, on both sides.

    Lei et al. 2018. The model learned from the other training rows, and 100 rounds.
    """
    model = lightgbm.LGBMRegressor(**task.given).fit(
        task.fit, task.target["fit"], categorical_feature=list(task.categories) or "auto"
    )
    strays = np.sort(np.abs(model.predict(task.stop) - task.target["stop"]))
    reach = strays[min(int(np.ceil((len(strays) + 1) * coverage)), len(strays)) - 1]
    middle = np.asarray(model.predict(task.held))
    return middle - reach, middle + reach
