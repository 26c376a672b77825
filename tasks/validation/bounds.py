"""Absolute bounds: what a candidate has to be worth, whatever the champion is.

A bound is held by proof: the whole confidence interval has to lie on its right side, so that a
candidate that is as good only by the luck of its holdout is refused. Of many slices each has to
prove it for itself, at the same confidence: where all must, none is corrected for the others (the
intersection-union test; Berger 1982). Not responsible for comparisons with a champion.
"""

from collections.abc import Iterator

import polars as pl

from tasks.core.checks import Check
from tasks.core.definition import Definition
from tasks.core.gate_bounds import Side, list_bounds
from tasks.core.model_sections import Metric
from tasks.core.units import unit_of
from tasks.core.wording import list_few
from tasks.evaluation.bootstrap import measure_surely
from tasks.evaluation.interval import Interval
from tasks.evaluation.row_metrics import measure_rows_surely
from tasks.evaluation.slice_metrics import has_both_classes
from tasks.evaluation.slices import SLICE
from tasks.validation.champion_comparison import PairedPredictions

_NAMED = 3


def judge_bounds(definition: Definition, pair: PairedPredictions) -> Iterator[Check]:
    """Hold the candidate to each bound that the definition sets."""
    for key, side, bounds in list_bounds(definition.gate):
        for metric in definition.metrics:
            if metric not in bounds:
                continue
            if key == side:
                yield _judge_whole(definition, pair, metric, side, bounds[metric])
            else:
                yield _judge_slices(definition, pair, metric, side, bounds[metric])


def measure_pair(
    definition: Definition, metric: Metric, pair: PairedPredictions, inside: pl.Series | None = None
) -> Interval:
    """Measure the candidate by a metric, on all rows of a pair or on some, with the interval."""
    if inside is not None:
        part = pair.only(inside)
        return measure_rows_surely(definition, metric, part.rows, part.ours)
    return measure_surely(
        metric,
        pair.target,
        pair.ours,
        pair.groups,
        confidence=definition.gate.confidence,
        threshold=definition.threshold,
        seed=definition.training.seed,
        weights=pair.weights,
        costs=pair.costs,
        own_loss=definition.own_loss,
    )


def list_groups(
    definition: Definition, rows: pl.DataFrame, columns: list[str]
) -> tuple[dict[str, pl.Series], int]:
    """Give the rows of each level that has enough, also of both classes; and count the others."""
    groups, few = dict[str, pl.Series](), 0
    for column in columns:
        for level in rows[column].unique().sort():
            inside = rows[column] == level
            if _is_enough(definition, rows.filter(inside)):
                groups[f"{column.partition(':')[2]} = {level}"] = inside
            else:
                few += 1
    return groups, few


def _is_enough(definition: Definition, rows: pl.DataFrame) -> bool:
    return len(rows) >= definition.gate.slice_rows and has_both_classes(definition, rows)


def _judge_whole(
    definition: Definition, pair: PairedPredictions, metric: Metric, side: Side, bound: float
) -> Check:
    found, unit = measure_pair(definition, metric, pair), unit_of(metric, definition.target.unit)
    return Check(
        name=f"{metric}_{side}",
        passed=_is_proven(found, side, bound),
        detail=f"{metric}{unit} {_say(found)}; all of that must be {_words(side)} {bound:g}",
        numbers={"measured": found.value, "from": found.low, "to": found.high, "bound": bound},
    )


def _judge_slices(
    definition: Definition, pair: PairedPredictions, metric: Metric, side: Side, bound: float
) -> Check:
    columns = sorted(name for name in pair.rows.columns if name.startswith(SLICE))
    groups, few = list_groups(definition, pair.rows, columns)
    found = {name: measure_pair(definition, metric, pair, each) for name, each in groups.items()}
    sign = 1 if side == "at_least" else -1
    ranked = sorted(found, key=lambda name: sign * found[name].value)
    bad = [name for name in ranked if not _is_proven(found[name], side, bound)]
    named = list_few([f"{name} ({_say(found[name])})" for name in bad], _NAMED)
    said = f"{metric} is proven to be {_words(side)} {bound:g} on each of {len(found)} slices"
    if bad:
        said = f"{metric} must surely be {_words(side)} {bound:g}, and is not on {named}"
    elif not found:
        said = f"no slice has rows enough to show that {metric} is {_words(side)} {bound:g}"
    left = f"; {few} with too few rows, or too few of a class, are not judged" if few else ""
    return Check(
        name=f"{metric}_{side}_by_slice",
        passed=bool(found) and not bad,
        detail=said + left,
        numbers={"slices": len(found), "failed": len(bad), "lowest": ranked[0] if ranked else "",
                 "bound": bound},
    )  # fmt: skip


def _is_proven(found: Interval, side: Side, bound: float) -> bool:
    return found.low >= bound if side == "at_least" else found.high <= bound


def _words(side: Side) -> str:
    return side.replace("_", " ")


def _say(found: Interval) -> str:
    return f"{found.value:.4f} (interval {found.low:.4f} to {found.high:.4f})"
