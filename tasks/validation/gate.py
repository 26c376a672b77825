"""The gate: checks that a candidate must pass, against a baseline, a simple model and the champion.

Responsible for what passes. The candidate has to prove that it is better than baseline and simple
model (superiority, by the whole confidence interval). Against the champion, the proof runs the
other way: it is refused where it is surely worse by more than a margin (non-inferiority), so that
an equal is rarely refused by chance. What a base rate that moved explains is taken off before
probabilities are compared (`moved_rate`). Not responsible for releasing anything.
"""

from collections.abc import Iterator

import polars as pl
from pydantic import Field

from tasks.core.checks import Check, failed
from tasks.core.columns import TARGET
from tasks.core.definition import Definition, Frozen
from tasks.core.model_sections import Metric
from tasks.core.units import unit_of
from tasks.evaluation.metrics import error_of
from tasks.evaluation.rolling_origin import Fold
from tasks.evaluation.row_metrics import loss_metric
from tasks.training.lightgbm_params import name_weights
from tasks.validation.bounds import judge_bounds
from tasks.validation.calibration_checks import judge_calibrated, judge_calibration, suggest
from tasks.validation.champion_comparison import (
    ChampionScores,
    PairedPredictions,
    compare_pair,
    describe_champion,
    pair_predictions,
)
from tasks.validation.champion_predictions import ChampionPredictions
from tasks.validation.coverage_checks import judge_coverage
from tasks.validation.fairness import judge_fairness
from tasks.validation.fold_check import judge_folds
from tasks.validation.moved_rate import MovedRate
from tasks.validation.naive_check import judge_naive
from tasks.validation.non_inferiority import judge_gain
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
    guess, simple = (
        pair_predictions(definition, scored, scored[name]) for name in ("baseline", "simple")
    )
    pair = meet(definition, scored, opponent)
    moved = MovedRate.find(definition, scored, pair)
    checks = [
        judge_rows(definition, scored),
        *judge_baseline(definition, guess, moved),
        judge_better(definition, "beats_simple_model", simple, moved=moved),
        *judge_naive(definition, scored),
        *judge_calibrated(definition, scored, moved),
        *judge_shares(definition, scored),
        *judge_coverage(definition, scored),
        *judge_bounds(definition, guess),
        *judge_fairness(definition, guess),
        *judge_folds(definition, folds),
    ]
    champion = None
    if opponent is not None and pair is None:
        detail = f"champion {opponent.version} cannot be compared: {opponent.reason}"
        checks.append(Check(name="champion_is_comparable", passed=False, detail=detail))
    elif opponent is not None and pair is not None:
        champion = describe_champion(definition, opponent, pair)
        checks += judge_against_champion(definition, pair, champion, moved)
    return Verdict(
        passed=not failed(checks),
        checks=tuple(checks),
        champion=champion,
        shortfalls=find_shortfalls(definition, scored, pair),
    )


def meet(
    definition: Definition, scored: pl.DataFrame, opponent: ChampionPredictions | None
) -> PairedPredictions | None:
    """Set the candidate beside a champion, where there is one that can be compared."""
    if opponent is None or opponent.reason:
        return None
    inside = scored.filter(pl.Series(opponent.inside))
    return pair_predictions(definition, inside, opponent.predicted, opponent.threshold)


def judge_against_champion(
    definition: Definition,
    pair: PairedPredictions,
    champion: ChampionScores,
    moved: MovedRate | None = None,
) -> Iterator[Check]:
    """Ask that the candidate is surely worse than the champion in nothing that counts."""
    first, second = definition.metric, definition.second_metric
    margin, second_margin = definition.gate.margin, definition.gate.second_margin
    yield judge_metric(definition, "not_worse_than_champion", first, margin, pair, champion)
    yield judge_metric(definition, "second_metric", second, second_margin, pair, champion)
    if not definition.pinball:
        yield judge_calibration(definition, pair, moved)
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


def judge_baseline(
    definition: Definition, pair: PairedPredictions, moved: MovedRate | None = None
) -> Iterator[Check]:
    """Ask that the candidate is better than a guess by the gate's metric, and by its loss too.

    An order of rows may be good where no probability is: class weights leave AUC as it is.
    """
    first, loss = definition.metric, loss_metric(definition)
    if first != loss:
        yield judge_better(definition, "beats_baseline", pair, moved=moved)
    name = "beats_baseline" if first == loss else "beats_baseline_on_loss"
    check = judge_better(definition, name, pair, loss, moved)
    unsure = float(check.numbers["value"] or 0) > 0 and not name_weights(definition)
    yield check if check.passed or unsure else suggest(definition, check)


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
    named = f"{metric}{unit_of(metric, definition.target.unit)}"
    what = f"{named} {ours:.4f} against {theirs:.4f}"
    return judge_gain(name, what, gain, margin * error_of(metric, theirs))
