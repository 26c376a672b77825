"""Checks of a candidate's prediction intervals: whether they hold as many rows as was asked for.

A candidate is refused where its intervals surely hold fewer rows than [serving] interval, by more
than [gate] coverage_margin, on the whole holdout or in a slice. Not responsible for measuring
(`evaluation.coverage`).
"""

from collections.abc import Iterator

import polars as pl

from tasks.core.checks import Check
from tasks.core.definition import Definition
from tasks.core.units import with_unit
from tasks.core.wording import list_few
from tasks.evaluation.coverage import Coverage, measure_coverage
from tasks.evaluation.slices import SLICE
from tasks.validation.slice_check import NO_SLICES

_NAMED = 3


def judge_coverage(definition: Definition, scored: pl.DataFrame) -> Iterator[Check]:
    """Judge intervals where the definition asks for any."""
    if definition.serving.interval is None:
        return
    margin = definition.coverage_margin
    whole, *slices = measure_coverage(definition, scored, SLICE)
    held = with_unit(whole.detail, definition.target.unit)
    yield Check(
        name="coverage",
        passed=not whole.is_lost(margin),
        detail=f"{held}; refused if all of that is more than {margin:g} below",
        numbers={**whole.gain.model_dump(), "margin": margin, "width": whole.width},
    )
    yield _judge_slices(slices, margin)


def _judge_slices(slices: list[Coverage], margin: float) -> Check:
    ranked = sorted(slices, key=lambda each: each.gain.value)
    lost = [each for each in ranked if each.is_lost(margin)]
    detail = f"none of {len(slices)} slices surely holds too few rows" if slices else NO_SLICES
    if lost:
        named = list_few(
            [f"{each.slice} = {each.level} ({each.held:.1%})" for each in lost], _NAMED
        )
        detail = f"of {len(slices)} slices, too few rows lie in their interval in {named}"
    worst = ranked[0] if ranked else None
    return Check(
        name="coverage_of_slices",
        passed=not lost,
        detail=detail,
        numbers={
            "slices": len(slices),
            "lost": len(lost),
            "lowest": f"{worst.slice} = {worst.level}" if worst else "",
            "held": worst.held if worst else 1.0,
        },
    )
