"""Draws the curves of one model as SVG text: ROC, precision, calibration, learning, residuals.

Each function takes points and `label`, the chart's text for screen readers, and gives SVG. A `low`
and `high` among the points are their interval.
"""

from collections.abc import Sequence
from typing import Any

import altair as alt

from tasks.reports import chart_style as style
from tasks.reports.chart_rendering import Points, chart_of, number_axis, render, scale_of


def draw_roc(curve: Points, label: str) -> str:
    """Draw the ROC curve above the diagonal of guessing."""
    origin = {each: [0.0, *values] for each, values in curve.items()}
    line = _draw_curve(origin, "false_positive_rate", "true_positive_rate")
    return render([_diagonal(0, 1), *line], label)


def draw_precision_recall(curve: Points, label: str) -> str:
    """Draw precision by recall above the share of positives, which guessing would reach."""
    guess = chart_of(y=[curve["precision"][-1]]).mark_rule(**style.DASHED)
    return render([guess.encode(y="y:Q"), *_draw_curve(curve, "recall", "precision")], label)


def draw_calibration(bins: Points, shares: bool, label: str, unit: str | None = None) -> str:
    """Draw what was predicted against what came true, with its interval (`low`, `high`)."""
    ends = [value for name in ("predicted", "observed", "low", "high") for value in bins[name]]
    span = (0.0 if shares else min(ends), max(ends))
    axis = alt.Axis(format=".0%", tickCount=6) if shares else number_axis(ends)
    of = "" if shares or not unit else f" ({unit})"
    x = alt.X(
        "predicted:Q", title=f"Predicted, on average{of}", scale=alt.Scale(domain=span), axis=axis
    )
    y = alt.Y(
        "observed:Q", title=f"Observed, on average{of}", scale=alt.Scale(domain=span), axis=axis
    )
    size = alt.Size("rows:Q", legend=None, scale=alt.Scale(zero=True, range=[0, 90]))
    points = chart_of(**bins)
    dots = points.mark_circle(color=style.ACCENT, opacity=0.9).encode(x=x, y=y, size=size)
    spans = points.mark_rule(color=style.ACCENT).encode(x=x, y="low:Q", y2="high:Q")
    return render([_diagonal(*span), spans, dots], label)


def draw_learning(curve: Points, rounds: int, label: str) -> str:
    """Draw the loss by round, and the round that was chosen."""
    x = alt.X("x:Q", title="Round", scale=alt.Scale(nice=False), axis=alt.Axis(grid=False))
    y = alt.Y("y:Q", title="Loss", scale=scale_of(curve["loss"]), axis=number_axis(curve["loss"]))
    line = chart_of(x=curve["round"], y=curve["loss"]).mark_line(**style.LINE).encode(x=x, y=y)
    chosen = chart_of(x=[rounds], text=[f"{rounds} rounds"])
    rule = chosen.mark_rule(**style.DASHED).encode(x="x:Q")
    late = rounds > 0.7 * curve["round"][-1]
    side: dict[str, Any] = {"align": "right", "dx": -5} if late else {"align": "left", "dx": 5}
    text = chosen.mark_text(color=style.MUTED, fontSize=10.5, **side)
    text = text.encode(x="x:Q", y=alt.value(6), text="text:N")
    return render([rule, line, text], label)


def draw_trials(
    losses: Sequence[float], pruned: Sequence[bool], best: Sequence[float], label: str
) -> str:
    """Draw each trial's loss, pale where it was given up, and the best loss so far."""
    points = chart_of(trial=range(1, len(best) + 1), best=best, loss=losses, pruned=pruned)
    axis, scale = alt.Axis(grid=False, tickCount=6, format="d"), scale_of([*losses, *best], 8)
    x = alt.X("trial:Q", title="Trial", scale=alt.Scale(nice=False, padding=8), axis=axis)
    y = alt.Y("best:Q", title="Loss", scale=scale, axis=number_axis(losses))
    line = points.mark_line(interpolate="step-after", **style.LINE)
    color = alt.when("datum.pruned").then(alt.value(style.PALE)).otherwise(alt.value(style.ACCENT))
    dots = points.mark_circle(size=34, opacity=1)
    layers = [line.encode(x=x, y=y), dots.encode(x=x, y=alt.Y("loss:Q", scale=scale), color=color)]
    return render(layers, label)


def draw_residuals(bands: Points, label: str, unit: str | None = None) -> str:
    """Draw the spread of observed minus predicted along the predictions, as quantile bands."""
    points, of = chart_of(**bands), f" ({unit})" if unit else ""
    scale, axis = alt.Scale(nice=False, zero=False), number_axis(bands["predicted"])
    x = alt.X("predicted:Q", title=f"Predicted{of}", scale=scale, axis=axis)
    y = alt.Y(
        "q10:Q", title=f"Observed − predicted{of}", axis=number_axis([*bands["q10"], *bands["q90"]])
    )
    outer = points.mark_area(color=style.PALE, opacity=0.35).encode(x=x, y=y, y2="q90:Q")
    inner = points.mark_area(color=style.PALE, opacity=0.8).encode(x=x, y="q25:Q", y2="q75:Q")
    middle = points.mark_line(**style.LINE).encode(x=x, y="q50:Q")
    zero = chart_of(y=[0.0]).mark_rule(color=style.INK, strokeDash=[4, 3]).encode(y="y:Q")
    return render([outer, inner, zero, middle], label)


def _diagonal(least: float, most: float) -> alt.Chart:
    ends = chart_of(x=[least, most], y=[least, most])
    line: alt.Chart = ends.mark_line(color=style.MUTED, strokeWidth=1, strokeDash=[4, 3])
    return line.encode(x="x:Q", y="y:Q")


def _draw_curve(curve: Points, x: str, y: str) -> list[alt.Chart]:
    """Draw a line between shares, over its band where that is known."""
    shares: Any = {"scale": alt.Scale(domain=[0, 1]), "axis": alt.Axis(**style.SHARES)}
    across, up = ((name, name.replace("_", " ").capitalize()) for name in (x, y))
    points = chart_of(**curve)
    at = alt.X(f"{across[0]}:Q", title=across[1], **shares)
    ends = alt.Y("low:Q", title=up[1], stack=None, **shares)  # not stacked: points may share an x
    line = points.mark_line(**style.LINE).encode(x=at, y=alt.Y(f"{up[0]}:Q", title=up[1], **shares))
    band = points.mark_area(**style.BAND).encode(x=at, y=ends, y2="high:Q")
    return [band, line] if "low" in curve else [line]
