"""Step 6, validation: the gate. Judges a candidate against baseline, simple model and champion.

Owns what passes. Refuses to measure what evaluation measured, and to release anything.
"""

import logging
from statistics import NormalDist

import numpy as np
import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.champion import Opponent, meet_champion
from tasks.checks import Check, failed
from tasks.definition import Frozen, Metric
from tasks.evaluation import SLICE, Scored, calibration_error
from tasks.extraction import Snapshot
from tasks.metrics import Array, Interval, compare, compare_means, measure, row_losses
from tasks.plan import Plan
from tasks.preparation import TARGET, TIME, Prepared
from tasks.registry import find_champion
from tasks.store import open_store

log = logging.getLogger("perennial.validation")

_DAYS = 20  # fewer days are no sample to draw from; then equal stretches of rows are drawn
_STRETCHES = 50
_FEWEST_GROUPS = 5


class Champion(Frozen):
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
    champion: Champion | None = None


class Duel(Frozen, arbitrary_types_allowed=True):
    """Two models' predictions for the same rows; `groups` are the days that a resample draws."""

    rows: pl.DataFrame
    target: Array
    ours: Array
    theirs: Array
    groups: Array


def judge(plan: Plan, scored: pl.DataFrame, opponent: Opponent | None) -> Verdict:
    """Put a scored holdout through every check of the gate; all of them must pass."""
    checks = [
        judge_rows(plan, scored),
        judge_better(plan, "beats_baseline", face(scored, scored["baseline"])),
        judge_better(plan, "beats_simple_model", face(scored, scored["simple"])),
    ]
    champion = None
    if opponent is not None and opponent.reason:
        detail = f"champion {opponent.version} cannot be compared: {opponent.reason}"
        checks.append(Check(name="champion_is_comparable", passed=False, detail=detail))
    elif opponent is not None:
        duel = face(scored.filter(opponent.inside), opponent.predicted)
        champion = describe_champion(plan, opponent, duel)
        checks += [
            judge_not_worse(plan, duel, champion),
            judge_second_metric(plan, champion),
            judge_calibration(plan, duel),
            judge_slices(plan, duel),
        ]
    return Verdict(passed=not failed(checks), checks=tuple(checks), champion=champion)


def judge_rows(plan: Plan, scored: pl.DataFrame) -> Check:
    """Ask for enough holdout rows to say anything."""
    least = plan.definition.gate.rows
    return Check(
        name="holdout_rows",
        passed=len(scored) >= least,
        detail=f"{len(scored):,} rows in the holdout, at least {least:,} asked for",
        numbers={"rows": len(scored), "least": least},
    )


def judge_better(plan: Plan, name: str, duel: Duel) -> Check:
    """Ask that the candidate is better, by the whole of its interval."""
    metric = plan.definition.metric
    gain = compare_duel(plan, metric, duel)
    return Check(
        name=name,
        passed=gain.low > 0,
        detail=f"{metric} better by {_show(gain)}; must be above 0",
        numbers=gain.model_dump(),
    )


def judge_not_worse(plan: Plan, duel: Duel, champion: Champion) -> Check:
    """Ask that the candidate is not worse than the champion, by the whole of its interval."""
    metric = plan.definition.metric
    allowed = plan.definition.gate.margin * abs(champion.metrics[metric])
    gain = compare_duel(plan, metric, duel)
    return Check(
        name="not_worse_than_champion",
        passed=gain.low > -allowed,
        detail=f"{metric} {champion.candidate[metric]:.4f} against {champion.metrics[metric]:.4f}: "
        f"better by {_show(gain)}; must be above {-allowed:.4f}",
        numbers={**gain.model_dump(), "margin": allowed},
    )


def judge_second_metric(plan: Plan, champion: Champion) -> Check:
    """Ask that the second metric does not pay for the first."""
    metric = plan.definition.second_metric
    ours, theirs = champion.candidate[metric], champion.metrics[metric]
    allowed = plan.definition.gate.second_margin * abs(theirs)
    loss = theirs - ours if metric in HIGHER_IS_BETTER else ours - theirs
    return Check(
        name="second_metric",
        passed=loss <= allowed,
        detail=f"{metric} {ours:.4f} against {theirs:.4f}: worse by {loss:+.4f}; "
        f"at most {allowed:.4f}",
        numbers={"candidate": ours, "champion": theirs, "worse_by": loss, "margin": allowed},
    )


def judge_calibration(plan: Plan, duel: Duel) -> Check:
    """Ask that predictions can be taken at their word as much as the champion's."""
    values = plan.definition.target.kind == "regression"
    ours = calibration_error(duel.target, duel.ours, values)
    theirs = calibration_error(duel.target, duel.theirs, values)
    margin = plan.definition.gate.calibration_margin
    return Check(
        name="calibration",
        passed=ours <= theirs + margin,
        detail=f"calibration error {ours:.4f} against {theirs:.4f}; at most {margin:.4f} more",
        numbers={"candidate": ours, "champion": theirs, "margin": margin},
    )


def judge_slices(plan: Plan, duel: Duel) -> Check:
    """Ask that no slice with enough rows is surely worse, corrected for how many there are."""
    gate = plan.definition.gate
    loss: Metric = "rmse" if plan.definition.target.kind == "regression" else "log_loss"
    ours, theirs = (row_losses(loss, duel.target, each) for each in (duel.ours, duel.theirs))
    slices = {
        f"{column.removeprefix(SLICE)} = {level}": (duel.rows[column] == level).to_numpy()
        for column in duel.rows.columns
        if column.startswith(SLICE)
        for level, rows in duel.rows[column].value_counts(sort=True).iter_rows()
        if rows >= gate.slice_rows
    }
    deviations = NormalDist().inv_cdf(1 - (1 - gate.confidence) / 2 / max(len(slices), 1))
    worst, sunk = "", []
    lowest = 0.0
    for name, inside in slices.items():
        gain = compare_means(ours[inside], theirs[inside], duel.groups[inside], deviations=deviations)
        relative = gain.high / float(theirs[inside].mean() or 1)
        if relative < -gate.slice_margin:
            sunk.append(name)
        if gain.value < lowest:
            worst, lowest = name, gain.value
    return Check(
        name="slices",
        passed=not sunk,
        detail=f"worse on {', '.join(sunk)}" if sunk else f"none of {len(slices)} slices is worse",
        numbers={"slices": len(slices), "worse": len(sunk), "lowest": worst, "by": lowest},
    )


def face(rows: pl.DataFrame, predicted: pl.Series | Array) -> Duel:
    """Set the candidate's predictions for some rows against another's."""
    theirs = predicted.to_numpy() if isinstance(predicted, pl.Series) else predicted
    return Duel(
        rows=rows,
        target=rows[TARGET].to_numpy(),
        ours=rows["predicted"].to_numpy(),
        theirs=theirs,
        groups=group_rows(rows[TIME]),
    )


def group_rows(times: pl.Series) -> Array:
    """Group rows by day, or into equal stretches where there are too few days or no times."""
    days = times.dt.epoch("d")
    if days.n_unique() >= _DAYS:
        return days.rank("dense").to_numpy().astype(np.int64) - 1
    stretches = max(min(_STRETCHES, len(times) // _FEWEST_GROUPS), 1)
    return np.arange(len(times)) * stretches // len(times)


def compare_duel(plan: Plan, metric: Metric, duel: Duel) -> Interval:
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


def describe_champion(plan: Plan, opponent: Opponent, duel: Duel) -> Champion:
    kind, threshold = plan.definition.target.kind, plan.definition.serving.threshold
    return Champion(
        version=opponent.version,
        model=opponent.model,
        rows=len(duel.target),
        metrics=measure(kind, duel.target, duel.theirs, threshold),
        candidate=measure(kind, duel.target, duel.ours, threshold),
    )


def _show(gain: Interval) -> str:
    return f"{gain.value:+.4f} (interval {gain.low:+.4f} to {gain.high:+.4f})"


@task(name="validation", cache_policy=NO_CACHE)
def validate(plan: Plan, snapshot: Snapshot, prepared: Prepared, scored: Scored) -> Verdict:
    """Judge the candidate by its gate, against the champion where there is one."""
    store = open_store(plan.root)
    holdout = scored.read()
    champion = find_champion(store, plan.definition.name)
    opponent = champion and meet_champion(
        plan, snapshot, holdout, prepared.vocabulary.classes, store, champion
    )
    verdict = judge(plan, holdout, opponent)
    for check in verdict.checks:
        log.info("%s %s: %s", "passed" if check.passed else "FAILED", check.name, check.detail)
    return verdict
