"""The charts of a candidate's page: those that fit its target, with their captions."""

from collections.abc import Iterator

from tasks.reports import charts
from tasks.reports.candidate_text import rank_slices
from tasks.reports.chart_style import MOST_BARS
from tasks.reports.display_names import name_metric, name_slice
from tasks.reports.formatting import shorten
from tasks.reports.rare_class import is_rare
from tasks.reports.templates import Figure
from tasks.training.tuning import best_trial
from tasks.validation.candidate import Candidate

_SLICES = 24


def draw_charts(candidate: Candidate) -> Iterator[Figure]:
    """Draw the charts that fit the target."""
    yield from _draw_curves(candidate)
    yield _draw_importance(candidate)
    if candidate.evaluation.slices:
        yield _draw_slices(candidate)


def _draw_curves(candidate: Candidate) -> Iterator[Figure]:
    curves = candidate.evaluation.curves
    if "roc" in curves:
        both = [_draw_roc(curves["roc"]), _draw_precision_recall(curves["precision_recall"])]
        yield from reversed(both) if is_rare(candidate) else both
    if "residuals" in curves:
        text = "The median error, with half (dark) and 80% (light) of the rows around it."
        if candidate.plan.definition.pinball:
            text += " Errors are of the middle quantile."
        drawn = charts.draw_residuals(curves["residuals"], "Residuals by prediction")
        yield Figure("Residuals", text, drawn)
    yield _draw_calibration(candidate)
    if "learning" in curves:
        text = "Loss by round on the stopping slice. Dashed: the rounds that were taken."
        drawn = charts.draw_learning(curves["learning"], candidate.trained.rounds, "Loss by round")
        yield Figure("Learning curve", text, drawn)
    if candidate.trials:
        yield _draw_trials(candidate)


def _draw_roc(points: charts.Points) -> Figure:
    text = "How many positives are found for how many false alarms. Dashed: guessing."
    return Figure("ROC curve", text, charts.draw_roc(points, "ROC curve"))


def _draw_precision_recall(points: charts.Points) -> Figure:
    text = "How many alarms are right when so many positives are found. Dashed: guessing."
    drawn = charts.draw_precision_recall(points, "Precision by recall")
    return Figure("Precision and recall", text, drawn)


def _draw_trials(candidate: Candidate) -> Figure:
    trials = candidate.trials
    best = [trials[best_trial(trials[:end])].loss for end in range(1, len(trials) + 1)]
    losses, pruned = [each.loss for each in trials], [each.pruned for each in trials]
    first, taken = trials[0].loss, best_trial(trials)
    text = (
        f"Loss on slices of the training window: {first:.5f} as defined, {best[-1]:.5f} by trial "
        f"{taken + 1}, which was taken. Pale: given up after its first slices."
    )
    return Figure("Tuning", text, charts.draw_trials(losses, pruned, best, "Loss by trial"))


def _draw_calibration(candidate: Candidate) -> Figure:
    evaluation = candidate.evaluation
    bins = {
        name: [getattr(each, name) for each in evaluation.calibration]
        for name in ("predicted", "observed", "rows")
    }
    misses = evaluation.misses or (None,) * len(evaluation.calibration)
    pairs = list(zip(evaluation.calibration, misses, strict=True))
    pinball = candidate.plan.definition.pinball
    shares = candidate.plan.definition.target.kind != "regression" or pinball is not None
    for end in ("low", "high"):
        ends = [
            each.observed if miss is None else each.predicted + getattr(miss, end)
            for each, miss in pairs
        ]
        bins[end] = [min(max(value, 0), 1) for value in ends] if shares else ends
    unit = "standard deviations"
    if candidate.plan.definition.deviance:
        unit = "standard deviations of the target, or means of it if those are smaller"
    error = f"{evaluation.calibration_error:.3f}" + ("" if shares else f" {unit}")
    sure = f"{candidate.plan.definition.gate.confidence * 100:g}%"
    what = (
        "A dot for each quantile: its level, and the rows below it"
        if pinball
        else f"Tenths of the rows, each with its {sure} interval"
    )
    text = f"{what}; dashed: predicted as observed. Mean distance {error}."
    drawn = charts.draw_calibration(bins, shares, "Observed by predicted")
    return Figure("Calibration", text, drawn)


def _draw_importance(candidate: Candidate) -> Figure:
    ranked = candidate.evaluation.importance
    bars = [
        charts.Bar(each.feature, each.share, f"{each.share:.1%}") for each in ranked[:MOST_BARS]
    ]
    if rest := ranked[MOST_BARS:]:
        share = sum(each.share for each in rest)
        bars.append(charts.Bar(f"{len(rest)} others", share, f"{share:.1%}", faint=True))
    text = "Share of all contributions to predictions (mean absolute SHAP values)."
    drawn = charts.draw_bars(bars, 0.1, "Features by importance")
    return Figure("Feature importance", text, drawn)


def _draw_slices(candidate: Candidate) -> Figure:
    metric, slices = candidate.plan.definition.metric, rank_slices(candidate)[:_SLICES]
    values = [each.metrics[metric] for each in slices]
    dots: dict[str, list[float]] = {"value": values, "rows": [each.rows for each in slices]}
    labels = [f"{shorten(name_slice(each))} ({each.rows:,})" for each in slices]
    whole, title = candidate.evaluation.metrics["holdout"][metric], name_metric(metric)
    drawn = charts.draw_lollipops(dots, labels, whole, title, f"{title} by slice")
    count = f"{len(slices)} of {len(candidate.evaluation.slices)} slices"
    text = f"{title} of {count}, weakest first, rows in brackets. Dashed: the whole holdout."
    return Figure("Slices", text, drawn)
