"""Checks of a candidate's quantiles: whether as many rows lie below each as its level promises.

A candidate is refused where a share is surely off its level by more than [gate] coverage_margin, on
the whole holdout or in a slice. Not responsible for measuring (`evaluation.quantile_shares`).
"""

from collections.abc import Iterator

import polars as pl

from tasks.core.checks import Check
from tasks.core.definition import Definition
from tasks.core.wording import list_few
from tasks.evaluation.quantile_shares import QuantileShare, measure_shares
from tasks.evaluation.slices import SLICE
from tasks.validation.slice_check import NO_SLICES

_NAMED = 3
_MENDED = (
    "; to mend it, let more rows share a leaf ([training.params] min_data_in_leaf), learn from "
    "newer rows only ([extract] window), or allow for more ([gate] coverage_margin)"
)


def judge_shares(definition: Definition, scored: pl.DataFrame) -> Iterator[Check]:
    """Judge quantiles where the definition asks for any."""
    if definition.pinball is None:
        return
    margin, levels = definition.coverage_margin, len(definition.pinball.levels)
    found = list(measure_shares(definition, scored, scored["predicted"].to_numpy(), SLICE))
    whole, slices = found[:levels], found[levels:]
    worst = max(whole, key=lambda each: abs(each.gain.value))
    shares = ", ".join(f"{each.share:.1%} below {each.quantile:g}" for each in whole)
    passed = not any(each.is_off(margin) for each in whole)
    yield Check(
        name="quantiles",
        passed=passed,
        detail=f"{shares} of {worst.rows:,} rows; refused if a share is surely off its level by "
        f"more than {margin:g} (the farthest: {worst.detail}){'' if passed else _MENDED}",
        numbers={**worst.gain.model_dump(), "margin": margin},
    )
    yield _judge_slices(slices, margin)


def name_share(each: QuantileShare) -> str:
    """Name a slice, and how many of its rows lie below one quantile."""
    return f"{each.slice} = {each.level} ({each.share:.1%} below {each.quantile:g})"


def _judge_slices(slices: list[QuantileShare], margin: float) -> Check:
    ranked = sorted(slices, key=lambda each: -abs(each.gain.value))
    off = [each for each in ranked if each.is_off(margin)]
    detail = f"of {len(slices)} shares in slices, none is surely off its level"
    if not slices:
        detail = NO_SLICES
    if off:
        detail = f"of {len(slices)} shares in slices, these are surely off their level: "
        detail += list_few([name_share(each) for each in off], _NAMED)
    return Check(
        name="quantiles_of_slices",
        passed=not off,
        detail=detail,
        numbers={
            "shares": len(slices),
            "off": len(off),
            "farthest": name_share(ranked[0]) if ranked else "",
        },
    )
