"""The gate's checks of calibration: by itself, and beside the champion's.

Not responsible for calibration errors (`evaluation.calibration`), nor for mending them.
"""

from collections.abc import Iterator

import polars as pl

from tasks.core.checks import Check
from tasks.core.columns import TARGET
from tasks.core.definition import Definition
from tasks.evaluation.bootstrap import compare_calibration
from tasks.evaluation.calibration import (
    calibration_error,
    deviation,
    find_unit,
    measure_errors,
)
from tasks.evaluation.interval import Interval
from tasks.evaluation.metrics import Array, read_certainty
from tasks.preparation.weights import read_weights
from tasks.training.lightgbm_params import name_weights
from tasks.validation.champion_comparison import PairedPredictions
from tasks.validation.moved_rate import MovedRate
from tasks.validation.non_inferiority import judge_gain


def judge_calibrated(
    definition: Definition, scored: pl.DataFrame, moved: MovedRate | None = None
) -> Iterator[Check]:
    """Ask that predictions are calibrated, as far as small bins can tell; quantiles have shares.

    A base rate that moved is taken off, unless the file itself says how much is allowed: a bound
    that somebody set is a bound on what is served.
    """
    if definition.pinball:
        return
    target, predicted = scored[TARGET].to_numpy(), scored["predicted"].to_numpy()
    weights = read_weights(scored)
    check = _judge_error(definition, target, predicted, weights)
    if not check.passed and moved is not None and definition.gate.calibration_at_most is None:
        left = moved.shift(predicted, moved.came, weights)
        check = moved.forgive(check, _judge_error(definition, target, left, weights))
    yield check if check.passed else suggest(definition, check)


def judge_calibration(
    definition: Definition, pair: PairedPredictions, moved: MovedRate | None = None
) -> Check:
    """Ask that predictions are calibrated as well as the champion's, or by shape at least.

    The margin is a share of the outcome's standard deviation, so that it means as much where one
    row in a thousand is positive as where every other is; of counts and amounts, of their unit.
    """
    stands = _compare_errors(definition, pair)
    if stands.passed or moved is None:
        return stands
    left = moved.take_off(pair)
    return moved.forgive(stands, _compare_errors(definition, left))


def _judge_error(
    definition: Definition, target: Array, predicted: Array, weights: Array | None
) -> Check:
    most = definition.calibration_at_most
    error, excess = measure_errors(definition, target, predicted, weights)
    return Check(
        name="calibrated",
        passed=excess <= most,
        detail=f"calibration error {error:.4f} ({excess:.4f} beyond chance), at most {most:.4f} "
        "allowed by [gate] calibration_at_most",
        numbers={"error": error, "excess": excess, "most": most},
    )


def _compare_errors(definition: Definition, pair: PairedPredictions) -> Check:
    gate, seed = definition.gate, definition.training.seed
    weights = pair.weights
    unit = find_unit(definition, pair.target, weights)
    spread = deviation(read_certainty(pair.target, pair.theirs)[0], weights)
    if definition.deviance:
        spread = unit
    gain = compare_calibration(
        pair.target,
        pair.ours,
        pair.theirs,
        pair.groups,
        confidence=gate.confidence,
        seed=seed,
        weights=weights,
    )
    gain = Interval(**{name: value / unit for name, value in gain.model_dump().items()})
    ours, theirs = (
        calibration_error(pair.target, each, unit, weights) for each in (pair.ours, pair.theirs)
    )
    what = f"calibration error {ours:.4f} against {theirs:.4f}"
    return judge_gain("calibration", what, gain, gate.calibration_margin * spread / unit)


def suggest(definition: Definition, check: Check) -> Check:
    """Say what would give better probabilities, or values."""
    hints = [] if definition.training.early_stopping else ["let early_stopping settle the rounds"]
    if definition.target.kind == "regression":
        if definition.own_loss is None:
            hints.append("let [training.params] objective aim at the mean, as the default does")
        hints.append("learn from newer rows only ([extract] window)")
    else:
        given = " and ".join(name_weights(definition)) or "is_unbalance and scale_pos_weight"
        hints.append(
            f"leave class weights alone ({given} in [training.params]; a lower [serving] "
            "threshold finds more of a rare class)"
        )
        hints.append(
            "let more rows say how to recalibrate ([training] stopping_share)"
            if definition.calibrates
            else "recalibrate ([training] calibrate = 'auto', with early_stopping)"
        )
    return check.model_copy(update={"detail": f"{check.detail}; to mend it, {', or '.join(hints)}"})
