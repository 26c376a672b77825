"""What a candidate is worse at, though its gate may pass it: told to whoever decides.

Responsible for each metric by which it is worse than the simple model, than a naive prediction or
than the champion on the same rows, and for how far its calibration is off. Told is only what is
beyond noise (the whole paired interval is below 0) or beyond the margin that the definition states.
Not responsible for refusing anything: the gate is (`gate`), by the metrics that the definition
names.
"""

from collections.abc import Iterator

import polars as pl

from tasks.core.columns import TARGET
from tasks.core.definition import Definition, Frozen
from tasks.core.model_sections import HIGHER_IS_BETTER
from tasks.core.units import unit_of
from tasks.evaluation.calibration import find_unit, measure_errors
from tasks.evaluation.calibration_bounds import bound_misses
from tasks.evaluation.interval import Interval, describe_gain
from tasks.evaluation.metrics import error_of
from tasks.evaluation.naive_predictions import NAIVE
from tasks.evaluation.prior_shift import tolerate
from tasks.preparation.weights import read_weights
from tasks.validation.champion_comparison import (
    PairedPredictions,
    compare_pair,
    measure_sides,
    pair_predictions,
)


class Shortfall(Frozen):
    """What a candidate is worse at: by a metric against a rival, or by its calibration error.

    `ours` and `theirs` are the two values, of calibration the error and what is tolerated; `margin`
    is how much worse the definition lets it be. `said` is the whole in words.
    """

    name: str
    rival: str = ""
    ours: float
    theirs: float
    margin: float
    gain: Interval | None = None
    said: str


def find_shortfalls(
    definition: Definition, scored: pl.DataFrame, champion: PairedPredictions | None
) -> tuple[Shortfall, ...]:
    """Find all, calibration last."""
    rivals = {"the simple model": pair_predictions(definition, scored, scored["simple"])}
    for name in definition.gate.naive:
        known = scored.filter(scored[NAIVE + name].is_not_null())
        if len(known) >= definition.gate.rows:
            rivals[f"{name!r}"] = pair_predictions(definition, known, known[NAIVE + name])
    if champion is not None:
        rivals["the champion"] = champion
    found = [each for rival, pair in rivals.items() for each in list_worse(definition, rival, pair)]
    return (*found, *find_miscalibration(definition, scored))


def list_worse(definition: Definition, rival: str, pair: PairedPredictions) -> Iterator[Shortfall]:
    """List the metrics by which a rival is better on the same rows, by more than is let pass."""
    ours, theirs = measure_sides(definition, pair)
    gate = definition.gate
    for metric, value in ours.items():
        other = theirs[metric]
        if (value >= other) if metric in HIGHER_IS_BETTER else (value <= other):
            continue
        second = metric == definition.second_metric
        key, share = ("second_margin", gate.second_margin) if second else ("margin", gate.margin)
        margin, gain = share * error_of(metric, other), compare_pair(definition, metric, pair)
        surely, far = gain.high < 0, gain.value < -margin
        if surely or far:
            name = metric.replace("_", " ") + unit_of(metric, definition.target.unit)
            yield Shortfall(
                name=metric,
                rival=rival,
                ours=value,
                theirs=other,
                margin=margin,
                gain=gain,
                said=f"{name} {value:.4f} against {other:.4f} of {rival}: {describe_gain(gain)}, "
                f"which is {_place(surely, far, f'{margin:.4f} ([gate] {key} = {share:g})')}",
            )


def _place(surely: bool, far: bool, margin: str) -> str:
    if surely and far:
        return f"beyond noise, and beyond the margin of {margin}"
    if surely:
        return f"beyond noise, though within the margin of {margin}"
    return f"beyond the margin of {margin}, but may be noise"


def find_miscalibration(definition: Definition, scored: pl.DataFrame) -> Iterator[Shortfall]:
    """Tell of calibration that is off beyond [gate] calibration_margin, or surely so in some bin.

    What is left of the error when chance is taken off is above 0 for the best of models, too: a
    bin is surely off by the whole of its interval, sure of all bins at once.
    """
    if definition.pinball is not None:  # judged by the rows below each quantile (`share_checks`)
        return
    target, predicted = scored[TARGET].to_numpy(), scored["predicted"].to_numpy()
    weights = read_weights(scored)
    error, excess = measure_errors(definition, target, predicted, weights)
    unit = find_unit(definition, target, weights)
    margin = tolerate(definition, target, predicted, weights) / unit
    bins = bound_misses(definition, scored, predicted, together=True)
    surely = [each for each in bins if each and (each.low > 0 or each.high < 0)]
    if surely or excess > margin:
        far = f"{margin:.4f} ([gate] calibration_margin = {definition.gate.calibration_margin:g})"
        yield Shortfall(
            name="calibration_error",
            ours=error,
            theirs=excess,
            margin=margin,
            said=f"calibration is off by {error:.4f}{_name_unit(definition)} on average, "
            f"{excess:.4f} without what chance explains, which is "
            f"{_place(bool(surely), excess > margin, far)} ({len(surely)} of {len(bins)} bins are "
            f"surely off); refused is what is beyond {definition.calibration_at_most:g}",
        )


def _name_unit(definition: Definition) -> str:
    if definition.deviance:
        return " standard deviations of the target, or means of it if those are smaller,"
    return " standard deviations of the target" if definition.target.kind == "regression" else ""
