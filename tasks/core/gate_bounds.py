"""What the gate's bounds, a threshold and costs ask of each other.

Responsible for refusing a bound that is for another kind of target, on the wrong side, or out of
reach, and costs or a threshold that nothing can be made of. Not responsible for holding a
candidate to them (`validation.bounds`).
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Literal

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
                hint = nearest(name, names)
                if name == "cost":
                    hint = "say first what [serving] cost a mistake has"
                raise ValueError(f"{where}: is no metric of a {kind} target; {hint}")
            fitting = "at_least" if names[name] in HIGHER_IS_BETTER else "at_most"
            if side != fitting:
                better = "higher" if fitting == "at_least" else "lower"
                other = key.replace(side, fitting)
                raise ValueError(f"{where}: {name} is better when {better}; write it in {other}")
            if bound > 1 and side == "at_least":
                raise ValueError(f"{where}: {name} is never above 1, and {bound:g} is asked for")
            if bound < 0 and side == "at_most":
                raise ValueError(f"{where}: {name} is never below 0, and {bound:g} is asked for")


def check_metrics(gate: Gate, kind: TargetKind, known: Collection[Metric]) -> None:
    """Raise ValueError for a metric to judge by that these predictions do not have."""
    for key in ("metric", "second_metric"):
        metric = getattr(gate, key)
        if metric is None or metric in known:
            continue
        of = "quantiles" if OF_QUANTILES[0] in known else kind
        said = f"{metric} is not for {of}; one of {', '.join(known)}"
        if kind == "regression" and of != "quantiles":
            if metric.endswith("_deviance"):
                objective = metric.removesuffix("_deviance")
                said = f"{metric} needs [training.params] objective = '{objective}'"
            elif metric in OF_QUANTILES:
                said = f"{metric} needs [target] quantiles"
        raise ValueError(f"[gate] {key}: {said}")
