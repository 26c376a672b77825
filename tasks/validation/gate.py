"""Step 6, validation: the gate. Judges a candidate against baseline, simple model and champion.

Owns what passes. Against baseline and simple model, the candidate has to prove that it is better,
and its probabilities (or values) must be worth more than a guess, champion or not. Against the
champion, the proof runs the other way: it is refused where it is surely worse, by more than a
margin, so that an equal is rarely refused by chance. Refuses to measure what evaluation measured,
and to release anything.
"""

from collections.abc import Iterator

import numpy as np
import polars as pl

from tasks.core.checks import Check, failed
from tasks.core.columns import TARGET, TIME
from tasks.core.definition import Frozen, Metric
from tasks.evaluation.evaluate import (
    SLICE,
    calibration_error,
    calibration_excess,
    calibration_unit,
)
from tasks.evaluation.metrics import (
    Array,
    Interval,
    compare,
    compare_calibration,
    compare_means,
    error_of,
    measure,
    read_certainty,
    row_losses,
)
from tasks.extraction.run_plan import Plan
from tasks.training.lightgbm_params import name_weights
from tasks.validation.champion_predictions import ChampionPredictions

_FEWEST_DAYS = 20  # fewer are no sample to draw from: then equal stretches of rows are drawn
_STRETCHES, _STRETCH_ROWS = 50, 5
_MOST_GROUPS = 500
_RARER = 0.1  # how many of the rows asked for must be of a binary target's rarer class
_NAMED = 3
_TOO_GOOD = 0.4  # of the champion's error that is left


class ChampionScores(Frozen):
    """How the champion did, and the candidate on the same rows: those the champion never saw."""

    version: str
    model: str
    rows: int
    metrics: dict[Metric, float]
    candidate: dict[Metric, float]


class Verdict(Frozen):
    """Whether the candidate may be released, and the checks that say so."""

    passed: bool
    checks: tuple[Check, ...]
    champion: ChampionScores | None = None


class PairedPredictions(Frozen, arbitrary_types_allowed=True):
    """Two models' predictions for the same rows; `groups` are what a resample draws: days."""

    rows: pl.DataFrame
    target: Array
    ours: Array
    theirs: Array
    groups: Array


def judge(plan: Plan, scored: pl.DataFrame, opponent: ChampionPredictions | None) -> Verdict:
    """Put a scored holdout through every check of the gate; all of them must pass."""
    checks = [
        judge_rows(plan, scored),
        *judge_baseline(plan, face(plan, scored, scored["baseline"])),
        judge_better(plan, "beats_simple_model", face(plan, scored, scored["simple"])),
        judge_calibrated(plan, scored),
    ]
    champion = None
    if opponent is not None and opponent.reason:
        detail = f"champion {opponent.version} cannot be compared: {opponent.reason}"
        checks.append(Check(name="champion_is_comparable", passed=False, detail=detail))
    elif opponent is not None:
        duel = face(plan, scored.filter(pl.Series(opponent.inside)), opponent.predicted)
        champion = describe_champion(plan, opponent, duel)
        checks += judge_duel(plan, duel, champion)
    return Verdict(passed=not failed(checks), checks=tuple(checks), champion=champion)


def judge_duel(plan: Plan, duel: PairedPredictions, champion: ChampionScores) -> Iterator[Check]:
    """Ask that the candidate is surely worse than the champion in nothing that counts."""
    definition = plan.definition
    first, second = definition.metric, definition.second_metric
    margin, second_margin = definition.gate.margin, definition.gate.second_margin
    yield judge_metric(plan, "not_worse_than_champion", first, margin, duel, champion)
    yield judge_metric(plan, "second_metric", second, second_margin, duel, champion)
    yield judge_calibration(plan, duel)
    yield judge_slices(plan, duel)
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


def judge_rows(plan: Plan, scored: pl.DataFrame) -> Check:
    """Ask for enough holdout rows to say anything, and for some of both classes."""
    least, rows = plan.definition.gate.rows, len(scored)
    passed, detail = rows >= least, f"{rows:,} rows in the holdout, at least {least:,} asked for"
    numbers: dict[str, float | int | str | None] = {"rows": rows, "least": least}
    if plan.definition.target.kind == "binary":
        positive = int(scored[TARGET].sum())
        rarer, fewest = min(positive, rows - positive), max(2, round(_RARER * least))
        passed &= rarer >= fewest
        detail += f"; {rarer:,} of the rarer class, at least {fewest:,}"
        numbers |= {"rarer": rarer, "least_rarer": fewest}
    return Check(name="holdout_rows", passed=passed, detail=detail, numbers=numbers)


def judge_baseline(plan: Plan, duel: PairedPredictions) -> Iterator[Check]:
    """Ask that the candidate is better than a guess by the gate's metric, and by its loss too.

    An order of rows may be good where no probability is: class weights leave AUC as it is.
    """
    first, loss = plan.definition.metric, _loss(plan)
    if first != loss:
        yield judge_better(plan, "beats_baseline", duel)
    name = "beats_baseline" if first == loss else "beats_baseline_on_loss"
    check = judge_better(plan, name, duel, loss)
    unsure = float(check.numbers["value"] or 0) > 0 and not name_weights(plan.definition)
    yield check if check.passed or unsure else _mend(plan, check)


def judge_better(
    plan: Plan, name: str, duel: PairedPredictions, metric: Metric | None = None
) -> Check:
    """Ask that the candidate is better, by the whole of its interval."""
    metric = metric or plan.definition.metric
    gain = compare_duel(plan, metric, duel)
    ours, theirs = (_score(plan, metric, duel, each) for each in (duel.ours, duel.theirs))
    return Check(
        name=name,
        passed=gain.low > 0,
        detail=f"{metric} {ours:.4f} against {theirs:.4f}: better by {_show(gain)}; "
        "all of that must be above 0",
        numbers=gain.model_dump(),
    )


def judge_calibrated(plan: Plan, scored: pl.DataFrame) -> Check:
    """Ask that predictions can be taken at their word, by more than small bins miss by chance."""
    target, predicted = scored[TARGET].to_numpy(), scored["predicted"].to_numpy()
    unit, most = calibration_unit(plan, target), plan.definition.calibration_at_most
    error, excess = (
        each(target, predicted, unit) for each in (calibration_error, calibration_excess)
    )
    check = Check(
        name="calibrated",
        passed=excess <= most,
        detail=f"calibration error {error:.4f} ({excess:.4f} beyond chance), at most {most:.4f} "
        "allowed by [gate] calibration_at_most",
        numbers={"error": error, "excess": excess, "most": most},
    )
    return check if check.passed else _mend(plan, check)


def judge_metric(
    plan: Plan,
    name: str,
    metric: Metric,
    margin: float,
    duel: PairedPredictions,
    champion: ChampionScores,
) -> Check:
    """Ask that the candidate is not surely worse, by more than a share of the champion's error."""
    ours, theirs = champion.candidate[metric], champion.metrics[metric]
    gain = compare_duel(plan, metric, duel)
    what = f"{metric} {ours:.4f} against {theirs:.4f}"
    return _judge_gain(name, what, gain, margin * error_of(metric, theirs))


def judge_calibration(plan: Plan, duel: PairedPredictions) -> Check:
    """Ask that predictions can be taken at their word as much as the champion's.

    The margin is a share of the outcome's standard deviation, so that it means as much where one
    row in a thousand is positive as where every other is.
    """
    gate, seed = plan.definition.gate, plan.definition.training.seed
    spread = float(read_certainty(duel.target, duel.theirs)[0].std())
    unit = calibration_unit(plan, duel.target)
    gain = compare_calibration(
        duel.target, duel.ours, duel.theirs, duel.groups, confidence=gate.confidence, seed=seed
    )
    gain = Interval(**{name: value / unit for name, value in gain.model_dump().items()})
    ours, theirs = (calibration_error(duel.target, each, unit) for each in (duel.ours, duel.theirs))
    what = f"calibration error {ours:.4f} against {theirs:.4f}"
    return _judge_gain("calibration", what, gain, gate.calibration_margin * spread / unit)


def judge_slices(plan: Plan, duel: PairedPredictions) -> Check:
    """Ask that no slice is surely worse, by more than a share of the champion's loss on it."""
    compared = compare_slices(plan, duel)
    gains = dict(sorted(compared.items(), key=lambda pair: pair[1][0].value))
    sunk = [name for name, (gain, allowed) in gains.items() if gain.high < -allowed]
    worst = next(iter(gains), "")
    detail = f"none of {len(gains)} slices is surely worse"
    if sunk:
        loss = _loss(plan).replace("rmse", "squared error")
        named = ", ".join(f"{name} (by {-gains[name][0].value:.4f})" for name in sunk[:_NAMED])
        more = f" and {len(sunk) - _NAMED} more" if len(sunk) > _NAMED else ""
        detail = f"of {len(gains)} slices, {loss} is surely worse on {named}{more}"
    by = gains[worst][0].value if gains else 0.0
    return Check(
        name="slices",
        passed=not sunk,
        detail=detail,
        numbers={"slices": len(gains), "worse": len(sunk), "lowest": worst, "by": by},
    )


def compare_slices(plan: Plan, duel: PairedPredictions) -> dict[str, tuple[Interval, float]]:
    """Compare losses on each slice with enough rows; with each gain goes how much it may lose.

    Intervals are sure of all slices at once: of many, some look worse by chance alone.
    """
    gate, seed = plan.definition.gate, plan.definition.training.seed
    loss, target = _loss(plan), duel.target
    ours, theirs = (row_losses(loss, target, each) for each in (duel.ours, duel.theirs))
    slices = {
        f"{column.removeprefix(SLICE)} = {level}": (duel.rows[column] == level).to_numpy()
        for column in duel.rows.columns
        if column.startswith(SLICE)
        for level, rows in duel.rows[column].value_counts().sort(column).iter_rows()
        if rows >= gate.slice_rows
    }
    confidence = 1 - (1 - gate.confidence) / max(len(slices), 1)
    gains = {}
    for name, inside in slices.items():
        groups = group_rows(duel.rows[TIME].filter(pl.Series(inside)), seed)
        gain = compare_means(ours[inside], theirs[inside], groups, confidence=confidence)
        gains[name] = gain, gate.slice_margin * float(theirs[inside].mean())
    return gains


def face(plan: Plan, rows: pl.DataFrame, predicted: pl.Series | Array) -> PairedPredictions:
    """Set the candidate's predictions for some rows against another's."""
    return PairedPredictions(
        rows=rows,
        target=rows[TARGET].to_numpy(),
        ours=rows["predicted"].to_numpy(),
        theirs=predicted.to_numpy() if isinstance(predicted, pl.Series) else predicted,
        groups=group_rows(rows[TIME], plan.definition.training.seed),
    )


def group_rows(times: pl.Series, seed: int) -> Array:
    """Group rows by day, or into equal stretches of time where there are too few days.

    Rows without a time are grouped at random: the order of a file says nothing, or too much.
    """
    days = times.dt.epoch("d").rank("dense")
    if times.null_count() == len(times):
        place, groups = np.random.default_rng(seed).permutation(len(times)), _MOST_GROUPS
    elif days.n_unique() >= _FEWEST_DAYS:
        place = days.to_numpy().astype(np.int64) - 1
        return place * min(days.n_unique(), _MOST_GROUPS) // days.n_unique()
    else:
        place, groups = times.rank("ordinal").to_numpy().astype(np.int64) - 1, _STRETCHES
    return place * max(min(groups, len(times) // _STRETCH_ROWS), 1) // len(times)


def compare_duel(plan: Plan, metric: Metric, duel: PairedPredictions) -> Interval:
    return compare(
        metric,
        duel.target,
        duel.ours,
        duel.theirs,
        duel.groups,
        confidence=plan.definition.gate.confidence,
        threshold=plan.definition.serving.threshold,
        seed=plan.definition.training.seed,
    )


def describe_champion(
    plan: Plan, opponent: ChampionPredictions, duel: PairedPredictions
) -> ChampionScores:
    kind, threshold = plan.definition.target.kind, plan.definition.serving.threshold
    return ChampionScores(
        version=opponent.version,
        model=opponent.model,
        rows=len(duel.target),
        metrics=measure(kind, duel.target, duel.theirs, threshold),
        candidate=measure(kind, duel.target, duel.ours, threshold),
    )


def _judge_gain(name: str, what: str, gain: Interval, allowed: float) -> Check:
    """Pass what is not below the margin by the whole of its interval."""
    return Check(
        name=name,
        passed=gain.high >= -allowed,
        detail=f"{what}: better by {_show(gain)}; refused if all of that is below {-allowed:.4f}",
        numbers={**gain.model_dump(), "margin": allowed},
    )


def _loss(plan: Plan) -> Metric:
    return "rmse" if plan.definition.target.kind == "regression" else "log_loss"


def _score(plan: Plan, metric: Metric, duel: PairedPredictions, predicted: Array) -> float:
    definition = plan.definition
    kind, threshold = definition.target.kind, definition.serving.threshold
    return measure(kind, duel.target, predicted, threshold)[metric]


def _mend(plan: Plan, check: Check) -> Check:
    """Say what would give better probabilities, or values."""
    definition = plan.definition
    hints = [] if definition.training.early_stopping else ["let early_stopping settle the rounds"]
    if definition.target.kind == "regression":
        hints.append("let [training.params] objective aim at the mean, as the default does")
        hints.append("learn from newer rows only ([extract] window)")
    else:
        given = " and ".join(name_weights(definition)) or "is_unbalance and scale_pos_weight"
        hints.append(
            f"leave class weights alone ({given} in [training.params]; a lower [serving] "
            "threshold finds more of a rare class)"
        )
        hints.append("recalibrate")
    return check.model_copy(update={"detail": f"{check.detail}; to mend it, {', or '.join(hints)}"})


def _show(gain: Interval) -> str:
    return f"{gain.value:+.4f} (interval {gain.low:+.4f} to {gain.high:+.4f})"
