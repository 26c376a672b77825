"""The charts of a candidate's page: those that fit its target, with their captions."""

from collections.abc import Iterator, Sequence
from itertools import zip_longest

from tasks.evaluation.interval import Interval
from tasks.evaluation.slice_metrics import MOST_BOUNDED
from tasks.reports import charts, curve_charts
from tasks.reports.candidate_text import rank_slices
from tasks.reports.chart_findings import (
    tell_bins,
    tell_learning,
    tell_precision,
    tell_ranking,
    tell_residuals,
    tell_roc,
)
from tasks.reports.chart_rendering import Points
from tasks.reports.chart_style import MOST_BARS
from tasks.reports.display_names import name_metric, name_slice
from tasks.reports.formatting import format_score, shorten
from tasks.reports.rare_class import is_rare
from tasks.reports.templates import Figure
from tasks.training.tuning import best_trial
from tasks.validation.candidate import Candidate


def draw_charts(candidate: Candidate) -> Iterator[Figure]:
    """Draw the charts that fit the target."""
    yield from _draw_curves(candidate)
    yield _draw_importance(candidate)
    if candidate.evaluation.slices:
        yield _draw_slices(candidate)


def _draw_curves(candidate: Candidate) -> Iterator[Figure]:
    curves = candidate.evaluation.curves
    if "roc" in curves:
        both = [
            _draw_roc(candidate, curves["roc"]),
            _draw_precision_recall(candidate, curves["precision_recall"]),
        ]
        yield from reversed(both) if is_rare(candidate) else both
    if "residuals" in curves:
        yield _draw_residuals(candidate, curves["residuals"])
    yield _draw_calibration(candidate)
    if "learning" in curves:
        yield _draw_learning(candidate, curves["learning"])
    if candidate.trials:
        yield _draw_trials(candidate)


def _draw_roc(candidate: Candidate, points: Points) -> Figure:
    text = f"How many positives are found for how many false alarms{_tell_band(candidate, points)}."
    drawn = curve_charts.draw_roc(points, tell_roc(points))
    return Figure("ROC curve", f"{text} Dashed: guessing.", drawn)


def _draw_precision_recall(candidate: Candidate, points: Points) -> Figure:
    text = (
        "How many alarms are right when so many positives are found"
        f"{_tell_band(candidate, points)}."
    )
    drawn = curve_charts.draw_precision_recall(points, tell_precision(points))
    return Figure("Precision and recall", f"{text} Dashed: guessing.", drawn)


def _tell_band(candidate: Candidate, points: Points) -> str:
    return f", with the {_name_sure(candidate)} interval" if "low" in points else ""


def _name_sure(candidate: Candidate) -> str:
    return f"{candidate.plan.definition.gate.confidence * 100:g}%"


def _draw_residuals(candidate: Candidate, bands: Points) -> Figure:
    text = "The median error, with half (dark) and 80% (light) of the rows around it."
    if candidate.plan.definition.pinball:
        text += " Errors are of the middle quantile."
    unit = candidate.plan.definition.target.unit
    drawn = curve_charts.draw_residuals(bands, tell_residuals(bands), unit)
    return Figure("Residuals", text, drawn)


def _draw_learning(candidate: Candidate, curve: Points) -> Figure:
    text, rounds = "Loss by round on the stopping slice.", candidate.trained.rounds
    if candidate.trained.moved:
        text += (
            " The target's level or scale moved since the rows that were learned from, so rounds "
            "are judged by what a line of the predictions leaves of the error."
        )
    text += " Dashed: the rounds that were taken."
    drawn = curve_charts.draw_learning(curve, rounds, tell_learning(curve["loss"], rounds))
    return Figure("Learning curve", text, drawn)


def _draw_trials(candidate: Candidate) -> Figure:
    trials = candidate.trials
    best = [trials[best_trial(trials[:end])].loss for end in range(1, len(trials) + 1)]
    losses, pruned = [each.loss for each in trials], [each.pruned for each in trials]
    first, taken = trials[0].loss, best_trial(trials)
    text = (
        f"Loss on slices of the training window: {first:.5f} as defined, {best[-1]:.5f} by trial "
        f"{taken + 1}, which was taken. Pale: given up after its first slices."
    )
    drawn = curve_charts.draw_trials(losses, pruned, best, f"Loss by trial. {text}")
    return Figure("Tuning", text, drawn)


def _draw_calibration(candidate: Candidate) -> Figure:
    evaluation, definition = candidate.evaluation, candidate.plan.definition
    shares = definition.target.kind != "regression" or definition.pinball is not None
    bins: dict[str, list[float]] = {
        name: [getattr(each, name) for each in evaluation.calibration]
        for name in ("predicted", "observed", "rows")
    }
    for end, values in zip(("low", "high"), zip(*_bound_bins(candidate), strict=True), strict=True):
        bins[end] = [min(max(each, 0), 1) for each in values] if shares else list(values)
    unit = "standard deviations"
    if definition.deviance:
        unit = "standard deviations of the target, or means of it if those are smaller"
    error = f"{evaluation.calibration_error:.3f}" + ("" if shares else f" {unit}")
    what = (
        "A dot for each quantile: its level, and the rows below it"
        if definition.pinball
        else "Tenths of the rows"
    )
    text = (
        f"{what}, each with its {_name_sure(candidate)} interval; dashed: predicted as observed. "
        f"Mean distance {error}."
    )
    said = tell_bins(evaluation.calibration, shares)
    drawn = curve_charts.draw_calibration(
        bins, shares, f"{said}. Mean distance {error}", definition.target.unit
    )
    return Figure("Calibration", text, drawn)


def _bound_bins(candidate: Candidate) -> Iterator[tuple[float, float]]:
    """Give the ends of what came true in each bin; that itself where its rows are too few."""
    evaluation = candidate.evaluation
    gains: Sequence[Interval | None] = evaluation.misses
    if candidate.plan.definition.pinball:
        gains = [each.gain for each in evaluation.quantiles if not each.slice]
    for each, gain in zip_longest(evaluation.calibration, gains):
        low, high = (0.0, 0.0) if gain is None else (gain.low, gain.high)
        middle = each.observed if gain is None else each.predicted
        yield middle + low, middle + high


def _draw_importance(candidate: Candidate) -> Figure:
    ranked = candidate.evaluation.importance
    bars = [
        charts.Bar(shorten(each.feature), each.share, f"{each.share:.1%}")
        for each in ranked[:MOST_BARS]
    ]
    if rest := ranked[MOST_BARS:]:
        share = sum(each.share for each in rest)
        bars.append(charts.Bar(f"{len(rest)} others", share, f"{share:.1%}", faint=True))
    text = "Share of all contributions to predictions (mean absolute SHAP values)."
    named = [(each.feature, f"{each.share:.1%}") for each in ranked]
    said = tell_ranking("Features by importance", named)
    return Figure("Feature importance", text, charts.draw_bars(bars, 0.1, said))


def _draw_slices(candidate: Candidate) -> Figure:
    metric, slices = candidate.plan.definition.metric, rank_slices(candidate)[:MOST_BOUNDED]
    values, unit = [each.metrics[metric] for each in slices], candidate.plan.definition.target.unit
    dots: dict[str, list[float]] = {
        "value": values,
        "rows": [each.rows for each in slices],
        **{
            end: [getattr(each.interval, end, each.metrics[metric]) for each in slices]
            for end in ("low", "high")
        },
    }
    labels = [f"{shorten(name_slice(each))} ({each.rows:,})" for each in slices]
    whole, title = candidate.evaluation.metrics["holdout"][metric], name_metric(metric, unit)
    named = [(name_slice(each), format_score(each.metrics[metric])) for each in slices]
    said = tell_ranking(f"{title} by slice, {format_score(whole)} on the whole", named)
    drawn = charts.draw_dots(dots, labels, whole, title, said)
    count = f"{len(slices)} of {len(candidate.evaluation.slices)} slices"
    sure = f"; lines: their {_name_sure(candidate)} intervals, each by itself"
    text = (
        f"{title} of {count}, weakest first, rows in brackets"
        f"{sure if any(each.interval for each in slices) else ''}. Dashed: the whole holdout."
    )
    return Figure("Slices", text, drawn)
