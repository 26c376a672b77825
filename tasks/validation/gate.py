"""The gate: checks that a candidate must pass, against a baseline, a simple model and the champion.

Responsible for what passes. The candidate has to prove that it is better than baseline and simple
model (superiority, by the whole confidence interval). Against the champion, the proof runs the
other way: it is refused where it is surely worse by more than a margin (non-inferiority), so that
an equal is rarely refused by chance. Not responsible for releasing anything.
"""

from collections.abc import Iterator

import polars as pl
from pydantic import Field

from tasks.core.checks import Check, failed
from tasks.core.columns import TARGET
from tasks.core.definition import Definition, Frozen
from tasks.core.model_sections import Metric
from tasks.evaluation.bootstrap import compare_calibration
from tasks.evaluation.calibration import calibration_error, calibration_excess, deviation
from tasks.evaluation.evaluate import find_unit
from tasks.evaluation.interval import Interval, describe_gain
from tasks.evaluation.metrics import error_of, read_certainty
from tasks.evaluation.rolling_origin import Fold
from tasks.evaluation.row_values import read_weights
from tasks.training.lightgbm_params import name_weights
from tasks.validation.bounds import judge_bounds
from tasks.validation.champion_comparison import (
    ChampionScores,
    PairedPredictions,
    compare_pair,
    describe_champion,
    loss_metric,
    pair_predictions,
)
from tasks.validation.champion_predictions import ChampionPredictions
from tasks.validation.coverage_checks import judge_coverage
from tasks.validation.fairness import judge_fairness
from tasks.validation.fold_check import judge_folds
from tasks.validation.naive_check import judge_naive
from tasks.validation.share_checks import judge_shares
from tasks.validation.shortfalls import Shortfall, find_shortfalls
from tasks.validation.slice_check import judge_slices
from tasks.validation.superiority import judge_better

_RARER = 0.1  # how many of the rows asked for must be of a binary target's rarer class
_TOO_GOOD = 0.4  # of the champion's error that is left


class Verdict(Frozen):
    """Whether the candidate may be released, the checks that say so, and what it is worse at."""

    passed: bool
    checks: tuple[Check, ...]
    champion: ChampionScores | None = None
    shortfalls: tuple[Shortfall, ...] = Field(default=(), exclude_if=lambda found: not found)


def judge(
    definition: Definition,
    scored: pl.DataFrame,
    opponent: ChampionPredictions | None,
    folds: tuple[Fold, ...] = (),
) -> Verdict:
    """Put a scored holdout through every check of the gate; all of them must pass."""
    guess = pair_predictions(definition, scored, scored["baseline"])
    checks = [
        judge_rows(definition, scored),
        *judge_baseline(definition, guess),
        judge_better(
            definition, "beats_simple_model", pair_predictions(definition, scored, scored["simple"])
        ),
        *judge_naive(definition, scored),
        *judge_calibrated(definition, scored),
        *judge_shares(definition, scored),
        *judge_coverage(definition, scored),
        *judge_bounds(definition, guess),
        *judge_fairness(definition, guess),
        *judge_folds(definition, folds),
    ]
    champion = pair = None
    if opponent is not None and opponent.reason:
        detail = f"champion {opponent.version} cannot be compared: {opponent.reason}"
        checks.append(Check(name="champion_is_comparable", passed=False, detail=detail))
    elif opponent is not None:
        pair = pair_predictions(
            definition, scored.filter(pl.Series(opponent.inside)), opponent.predicted
        )
        champion = describe_champion(definition, opponent, pair)
        checks += judge_against_champion(definition, pair, champion)
    return Verdict(
        passed=not failed(checks),
        checks=tuple(checks),
        champion=champion,
        shortfalls=find_shortfalls(definition, scored, pair),
    )


def judge_against_champion(
    definition: Definition, pair: PairedPredictions, champion: ChampionScores
) -> Iterator[Check]:
    """Ask that the candidate is surely worse than the champion in nothing that counts."""
    first, second = definition.metric, definition.second_metric
    margin, second_margin = definition.gate.margin, definition.gate.second_margin
    yield judge_metric(definition, "not_worse_than_champion", first, margin, pair, champion)
    yield judge_metric(definition, "second_metric", second, second_margin, pair, champion)
    if not definition.pinball:
        yield judge_calibration(definition, pair)
    yield judge_slices(definition, pair)
    yield judge_plausible(first, champion)


def judge_plausible(metric: Metric, champion: ChampionScores) -> Check:
    """Ask that the candidate is not too good to be true: a feature may hold the answer."""
    ours, theirs = (
        error_of(metric, each[metric]) for each in (champion.candidate, champion.metrics)
    )
    return Check(
        name="plausible",
        passed=ours >= _TOO_GOOD * theirs,
        detail=f"{metric} {champion.candidate[metric]:.4f} against {champion.metrics[metric]:.4f}; "
        f"refused if less than {_TOO_GOOD:.0%} of the champion's error is left: then a feature may "
        "hold what is to be predicted",
        numbers={"left": ours / theirs if theirs else 1.0, "least": _TOO_GOOD},
    )


def judge_rows(definition: Definition, scored: pl.DataFrame) -> Check:
    """Ask for enough holdout rows to say anything, and for some of both classes."""
    least, rows = definition.gate.rows, len(scored)
    passed, detail = rows >= least, f"{rows:,} rows in the holdout, at least {least:,} asked for"
    numbers: dict[str, float | int | str | None] = {"rows": rows, "least": least}
    if definition.target.kind == "binary":
        positive = int(scored[TARGET].sum())
        rarer, fewest = min(positive, rows - positive), max(2, round(_RARER * least))
        passed &= rarer >= fewest
        detail += f"; {rarer:,} of the rarer class, at least {fewest:,}"
        numbers |= {"rarer": rarer, "least_rarer": fewest}
    return Check(name="holdout_rows", passed=passed, detail=detail, numbers=numbers)


def judge_baseline(definition: Definition, pair: PairedPredictions) -> Iterator[Check]:
    """Ask that the candidate is better than a guess by the gate's metric, and by its loss too.

    An order of rows may be good where no probability is: class weights leave AUC as it is.
    """
    first, loss = definition.metric, loss_metric(definition)
    if first != loss:
        yield judge_better(definition, "beats_baseline", pair)
    name = "beats_baseline" if first == loss else "beats_baseline_on_loss"
    check = judge_better(definition, name, pair, loss)
    unsure = float(check.numbers["value"] or 0) > 0 and not name_weights(definition)
    yield check if check.passed or unsure else _suggest(definition, check)


def judge_calibrated(definition: Definition, scored: pl.DataFrame) -> Iterator[Check]:
    """Ask that predictions are calibrated, as far as small bins can tell; quantiles have shares."""
    if definition.pinball:
        return
    target, predicted = scored[TARGET].to_numpy(), scored["predicted"].to_numpy()
    weights, most = read_weights(scored), definition.calibration_at_most
    unit = find_unit(definition, target, weights)
    error, excess = (
        each(target, predicted, unit, weights) for each in (calibration_error, calibration_excess)
    )
    check = Check(
        name="calibrated",
        passed=excess <= most,
        detail=f"calibration error {error:.4f} ({excess:.4f} beyond chance), at most {most:.4f} "
        "allowed by [gate] calibration_at_most",
        numbers={"error": error, "excess": excess, "most": most},
    )
    yield check if check.passed else _suggest(definition, check)


def judge_metric(
    definition: Definition,
    name: str,
    metric: Metric,
    margin: float,
    pair: PairedPredictions,
    champion: ChampionScores,
) -> Check:
    """Ask that the candidate is not surely worse, by more than a share of the champion's error."""
    ours, theirs = champion.candidate[metric], champion.metrics[metric]
    gain = compare_pair(definition, metric, pair)
    what = f"{metric} {ours:.4f} against {theirs:.4f}"
    return _judge_gain(name, what, gain, margin * error_of(metric, theirs))


def judge_calibration(definition: Definition, pair: PairedPredictions) -> Check:
    """Ask that predictions are calibrated as well as the champion's.

    The margin is a share of the outcome's standard deviation, so that it means as much where one
    row in a thousand is positive as where every other is; of counts and amounts, of their unit.
    """
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
    return _judge_gain("calibration", what, gain, gate.calibration_margin * spread / unit)


def _judge_gain(name: str, what: str, gain: Interval, allowed: float) -> Check:
    """Pass what is not below the margin by the whole of its interval."""
    return Check(
        name=name,
        passed=gain.high >= -allowed,
        detail=f"{what}: {describe_gain(gain)}; refused if all of that is below {-allowed:.4f}",
        numbers={**gain.model_dump(), "margin": allowed},
    )


def _suggest(definition: Definition, check: Check) -> Check:
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
