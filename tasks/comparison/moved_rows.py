"""Typical rows that two versions answer differently, with the contributions that moved.

Contributions are LightGBM's own (tree SHAP, after Lundberg and others 2020), before recalibration.
Rows are taken at equal distances of the ranking by how far the prediction moves, so that they show
all there is, not the extremes alone. Not responsible for which rows are shared (`shared_rows`).
"""

import math
from typing import Any

import numpy as np
import polars as pl

from tasks.comparison.decisions import decide
from tasks.comparison.shared_rows import Answers, SharedRows
from tasks.core.columns import ROW, TARGET
from tasks.core.definition import Frozen
from tasks.evaluation.metrics import Array
from tasks.features.transform import feature_expressions
from tasks.prediction.explainability import find_unexplained
from tasks.training.published_model import encode_rows

_EXAMPLES, _NAMED = 10, 3


class MovedContribution(Frozen):
    """What a feature adds to a row's prediction, before and after, and the feature's values."""

    feature: str
    before: float | None
    after: float | None
    value_before: Any = None
    value_after: Any = None


class MovedRow(Frozen):
    """A row by its key: what came true, both predictions and decisions, what moved the furthest.

    `rest` is what all other features, and the base, moved by.
    """

    key: dict[str, Any]
    target: str
    before: float
    after: float
    said_before: str
    said_after: str
    moved: tuple[MovedContribution, ...] = ()
    rest: float | None = None


class Told(Frozen, arbitrary_types_allowed=True):
    """One side's answers to a few rows: contributions with the base last, by a class or output."""

    names: tuple[str, ...]
    values: pl.DataFrame
    contributions: Array


def pick_rows(moved: Array, among: Array) -> Array:
    """Pick rows out of those that `among` is true for, at equal distances by how far they moved.

    >>> pick_rows(np.array([0.5, 0.1, 0.9, 0.0]), np.array([True, True, True, False])).tolist()
    [1, 0, 2]
    """
    places = np.flatnonzero(among)
    ranked = places[np.argsort(moved[places], kind="stable")]
    wanted = min(_EXAMPLES, len(ranked))
    steps = (np.arange(wanted) + 0.5) * len(ranked) / max(wanted, 1)
    return np.asarray(ranked[steps.astype(np.int64)])


def name_scale(before: Answers, after: Answers) -> tuple[str, str]:
    """Say what contributions are measured in; or else, why none can be set against each other."""
    scales = set()
    for side in (before, after):
        if why := find_unexplained(side.version.read_text(twin=side.model == "twin")):
            return "", f"{side.version.version} cannot be explained: {why}"
        definition = side.version.definition
        scale = "the target's unit" if definition.target.kind == "regression" else "log-odds"
        scales.add("the target's logarithm" if definition.deviance else scale)
    if len(scales) > 1:
        return "", f"the versions add up in different units: {' and '.join(sorted(scales))}"
    return scales.pop(), ""


def describe_rows(
    shared: SharedRows, before: Answers, after: Answers, places: Array, explained: bool
) -> tuple[MovedRow, ...]:
    """Describe some of the shared rows; `explained` says whether contributions are told."""
    classes = shared.newer.version.vocabulary.classes
    names = classes or ("no", "yes")
    numbers = shared.plan.definition.target.kind == "regression"
    said = [decide(each.version.definition, each.predicted[places]) for each in (before, after)]
    pinball = shared.plan.definition.pinball
    first = pinball.middle if pinball else 0  # the forest that is asked where there are no classes
    outputs = said[1] if classes else np.full(len(places), first)
    told = [_explain(each, places, outputs, classes) if explained else None
            for each in (before, after)]  # fmt: skip
    keys, target = _read_keys(shared, places), shared.rows[TARGET].to_numpy()[places]
    rows = []
    for nth, place in enumerate(places):
        values = [_pick(each.predicted[place], outputs[nth]) for each in (before, after)]
        words = [f"{each:.6g}" if numbers else names[decision[nth]]
                 for each, decision in zip(values, said, strict=True)]  # fmt: skip
        moved, rest = _rank_moved(told[0], told[1], nth) if told[0] and told[1] else ((), None)
        rows.append(
            MovedRow(
                key=keys[nth],
                target=f"{target[nth]:.6g}" if numbers else names[int(target[nth])],
                before=values[0],
                after=values[1],
                said_before=words[0],
                said_after=words[1],
                moved=moved,
                rest=rest,
            )
        )
    return tuple(rows)


def _explain(side: Answers, places: Array, outputs: Array, classes: tuple[str, ...]) -> Told:
    """Ask one side for the contributions to an output of each row, and for its features' values."""
    features, rows = side.version.features, side.rows[places]
    encoded = encode_rows(features, side.version.vocabulary, rows)
    found = np.asarray(side.read_booster().predict(encoded, pred_contrib=True))
    width = len(features.expressions) + 1
    by_output = found.reshape(len(rows), -1, width)
    own = side.version.vocabulary.classes
    mine = [own.index(classes[each]) if classes[each] in own else -1 for each in outputs] \
        if classes else outputs  # fmt: skip
    chosen = np.stack([
        by_output[nth, place] if place >= 0 else np.full(width, np.nan)
        for nth, place in enumerate(mine)
    ])  # fmt: skip
    values = rows.select(feature_expressions(features))
    return Told(names=tuple(features.expressions), values=values, contributions=chosen)


def _rank_moved(
    before: Told, after: Told, nth: int
) -> tuple[tuple[MovedContribution, ...], float | None]:
    """Name the features whose contributions to a row moved the furthest, and what the rest did."""
    sides = [
        dict(zip(each.names, each.contributions[nth, :-1].tolist(), strict=True))
        for each in (before, after)
    ]
    whole = float(after.contributions[nth].sum() - before.contributions[nth].sum())
    if math.isnan(whole):  # one of them does not know the class
        return (), None
    steps = {
        name: sides[1].get(name, 0.0) - sides[0].get(name, 0.0)
        for name in dict.fromkeys([*after.names, *before.names])
    }
    ranked = sorted(steps, key=lambda name: -abs(steps[name]))[:_NAMED]
    moved = tuple(
        MovedContribution(
            feature=name,
            before=sides[0].get(name),
            after=sides[1].get(name),
            value_before=_read_value(before, name, nth),
            value_after=_read_value(after, name, nth),
        )
        for name in ranked
        if steps[name]
    )
    return moved, whole - sum(steps[name] for name in ranked)


def _read_keys(shared: SharedRows, places: Array) -> list[dict[str, Any]]:
    """Name rows by their key, or by their number in the snapshot where they have none."""
    key = shared.plan.definition.extract.key
    if not key:
        return [{"row": number} for number in shared.rows[ROW][places].to_list()]
    told = shared.rows[places].select(key).to_dicts()
    return [{name: _sayable(value) for name, value in row.items()} for row in told]


def _read_value(side: Told, name: str, nth: int) -> Any:
    return _sayable(side.values[name][nth]) if name in side.names else None


def _pick(predicted: Any, output: Any) -> float:
    return float(predicted[output] if np.ndim(predicted) else predicted)


def _sayable(value: Any) -> Any:
    """Give a value as JSON has it: no NaN, and times as text."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)
