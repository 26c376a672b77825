"""Absolute bounds of the gate: which metrics may have one, and on which side.

Responsible for refusing a bound that is for another kind of target, on the wrong side, or out of
reach. Not responsible for holding a candidate to it (`validation.bounds`).
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Literal

from tasks.core.errors import nearest
from tasks.core.model_sections import HIGHER_IS_BETTER, Gate, Metric, TargetKind

Side = Literal["at_least", "at_most"]


def list_bounds(gate: Gate) -> Iterator[tuple[str, Side, Mapping[str, float]]]:
    """Give each key with bounds: its name, its side, and the bound of each metric."""
    sides: tuple[Side, ...] = ("at_least", "at_most")
    for side in sides:
        for key in (side, f"{side}_by_slice"):
            bounds: dict[str, float] | None = getattr(gate, key)
            if bounds is not None:
                yield key, side, bounds


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
