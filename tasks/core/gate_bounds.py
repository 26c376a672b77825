"""What the gate's bounds, a threshold and costs ask of each other.

Responsible for refusing a bound that is for another kind of target, on the wrong side, or out of
reach, and costs or a threshold that nothing can be made of. Not responsible for holding a
candidate to them (`validation.bounds`).
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Literal, get_args

from tasks.core.deviances import DevianceMetric
from tasks.core.errors import nearest
from tasks.core.model_sections import (
    HIGHER_IS_BETTER,
    OF_QUANTILES,
    Gate,
    Metric,
    Serving,
    Target,
    TargetKind,
    Training,
)

Side = Literal["at_least", "at_most"]
_DEVIANCES = get_args(DevianceMetric)
_ABOVE_1 = frozenset({"log_loss", "mae", "rmse", "cost", "pinball_loss", *_DEVIANCES})


def list_bounds(gate: Gate) -> Iterator[tuple[str, Side, Mapping[str, float]]]:
    """Give each key with bounds: its name, its side, and the bound of each metric."""
    sides: tuple[Side, ...] = ("at_least", "at_most")
    for side in sides:
        for key in (side, f"{side}_by_slice"):
            bounds: dict[str, float] | None = getattr(gate, key)
            if bounds is not None:
                yield key, side, bounds


def check_decision(target: Target, training: Training, serving: Serving, gate: Gate) -> None:
    """Raise ValueError for a threshold, costs or rivals that cannot be, or that do nothing."""
    if target.kind != "binary":
        if gate.fairness is not None:
            raise ValueError(f"[gate] fairness: is for a binary target, not for {target.kind}")
        for key, given in (("cost", serving.cost), ("threshold", serving.threshold == "auto")):
            if given:
                said = f"is for a binary target, not for {target.kind}"
                raise ValueError(f"[serving] {key}: {said}")
    if serving.threshold == "auto" and not training.early_stopping:
        raise ValueError(
            "[serving] threshold = 'auto': is chosen on the slice that early stopping leaves out; "
            "set [training] early_stopping, or give a number"
        )
    for key in ("metric", "second_metric"):
        if getattr(gate, key) == "cost":
            if serving.cost is None:
                raise ValueError(f"[gate] {key}: say first what [serving] cost a mistake has")
            if serving.cost.constant is None:
                raise ValueError(
                    f"[gate] {key}: the monitor judges by it too, and knows no row's own cost; "
                    "give [serving] cost as numbers, or bound it by [gate] at_most"
                )
    if gate.naive and target.kind != "regression":
        raise ValueError("[gate] naive predicts numbers: it is for a regression")


def check_bounds(gate: Gate, kind: TargetKind, known: Collection[Metric]) -> None:
    """Raise ValueError for the first bound that means nothing; `known` are this kind's metrics."""
    names: Mapping[str, Metric] = {metric: metric for metric in known}
    for key, side, bounds in list_bounds(gate):
        for name, bound in bounds.items():
            where = f"[gate.{key}] {name}"
            if name not in names:
                of = "quantiles" if OF_QUANTILES[0] in names else f"a {kind} target"
                hint = _name_need(name, kind, of) or nearest(name, names)
                raise ValueError(f"{where}: is no metric of {of}; {hint}")
            fitting = "at_least" if names[name] in HIGHER_IS_BETTER else "at_most"
            if side != fitting:
                better = "higher" if fitting == "at_least" else "lower"
                other = key.replace(side, fitting)
                raise ValueError(f"{where}: {name} is better when {better}; write it in {other}")
            if bound > 1 and side == "at_least":
                raise ValueError(f"{where}: {name} is never above 1, and {bound:g} is asked for")
            if bound < 0 and side == "at_most":
                raise ValueError(f"{where}: {name} is never below 0, and {bound:g} is asked for")


def find_vain_bounds(gate: Gate, judged: Metric) -> Iterator[str]:
    """Say of each bound that any model keeps, or that none can, what to write instead.

    `judged` is the gate's first metric. What a published definition says is not asked again.
    """
    for key, side, bounds in list_bounds(gate):
        if key != side and gate.slices == ():
            yield f"[gate] {key}: does nothing without slices, and [gate] slices names none"
        for name, bound in bounds.items():
            yield from _find_vain(f"[gate.{key}] {name}", name, side, bound)
    if gate.worst_fold is not None:
        side = "at_least" if judged in HIGHER_IS_BETTER else "at_most"
        yield from _find_vain("[gate] worst_fold", judged, side, gate.worst_fold)


def _find_vain(where: str, metric: str, side: Side, bound: float) -> Iterator[str]:
    lowest = None if metric == "r2" else 0
    highest = None if metric in _ABOVE_1 else 1
    for end, beyond, word in (
        (lowest, lowest is not None and bound <= lowest, "below"),
        (highest, highest is not None and bound >= highest, "above"),
    ):
        kept = (word == "below") == (side == "at_least")
        if beyond and kept:
            yield (
                f"{where}: {metric} is never {word} {end}, so that any model keeps to {bound:g}; "
                f"ask for {'more' if side == 'at_least' else 'less'}, or leave it out"
            )
        elif beyond and bound != end:
            yield f"{where}: {metric} is never {word} {end}, and {bound:g} is asked for"


def check_metrics(gate: Gate, kind: TargetKind, known: Collection[Metric]) -> None:
    """Raise ValueError for a metric to judge by that these predictions do not have."""
    for key in ("metric", "second_metric"):
        metric = getattr(gate, key)
        if metric is None or metric in known:
            continue
        of = "quantiles" if OF_QUANTILES[0] in known else kind
        need = _name_need(metric, kind, of)
        said = need or f"is not for {of}; one of {', '.join(known)}"
        raise ValueError(f"[gate] {key}: {metric} {said}")


def _name_need(name: str, kind: TargetKind, of: str) -> str:
    """Say what a metric that is not there would need; nothing where no key brings it."""
    if name == "cost" and kind == "binary":
        return "say first what [serving] cost a mistake has"
    if kind == "regression" and of != "quantiles":
        if name in _DEVIANCES:
            return f"needs [training.params] objective = '{name.removesuffix('_deviance')}'"
        if name in OF_QUANTILES:
            return "needs [target] quantiles"
    return ""
