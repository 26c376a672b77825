"""Served quantiles whose labels came true: how many rows lie below each, against its promise.

Responsible for which answers count, and for what is off. Not responsible for measuring
(`evaluation.quantile_shares`), nor for the loss (`holdout_comparison`).
"""

from collections.abc import Iterator, Sequence

import polars as pl

from tasks.core.columns import PREDICTION, TARGET, TIME
from tasks.core.definition import Definition
from tasks.core.wording import list_few
from tasks.evaluation.quantile_shares import QuantileShare, measure_shares
from tasks.evaluation.slices import SLICE
from tasks.monitoring.holdout_comparison import as_array
from tasks.validation.share_checks import name_share

_NAMED = 3


def explain_other(asked: Definition, champion: Definition) -> str:
    """Say why a champion cannot be measured: it answers other quantiles than are asked for now."""
    ours, theirs = asked.target.quantiles, champion.target.quantiles
    if ours == theirs:
        return ""
    named = [list(each) if each else "the mean" for each in (theirs, ours)]
    return (
        f"the champion predicts {named[0]}, and [target] quantiles ask for {named[1]} now: what it "
        "answered cannot be measured by them; give a model of other quantiles a name of its own"
    )


def share_recent(definition: Definition, recent: pl.DataFrame) -> Iterator[QuantileShare]:
    """Measure the shares of recent rows, where there are enough with a label."""
    if definition.pinball is None:
        return
    known = recent.drop_nulls([TARGET, PREDICTION]).sort(TIME)
    if len(known) >= definition.monitoring.rows:
        yield from measure_shares(definition, known, as_array(known[PREDICTION]), SLICE)


def list_off(definition: Definition, shares: Sequence[QuantileShare]) -> list[str]:
    """Say which shares are surely off their level, by more than the margin."""
    off = [each for each in shares if each.is_off(definition.coverage_margin)]
    whole, named = [each.detail for each in off if not each.slice], []
    for each in sorted(off, key=lambda each: -abs(each.gain.value)):
        named += [name_share(each)] if each.slice else []
    if not named:
        return whole
    return [*whole, f"shares are off their level where {list_few(named, _NAMED)}"]
