"""Draws charts of rows, gains and times as SVG text.

Each function takes points and `label`, the chart's text for screen readers, and gives SVG. Not
responsible for charts of one model's curves (`curve_charts`).
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import altair as alt

from tasks.reports import chart_style as style
from tasks.reports.chart_rendering import (
    Points,
    chart_of,
    left_of,
    render,
    render_rows,
    scale_of,
    tell_apart,
)


class Gain(NamedTuple):
    """By how much a model is better, its interval if there is one, and the least allowed."""

    value: float
    low: float
    high: float
    limit: float


class Bar(NamedTuple):
    label: str
    value: float
    text: str
    faint: bool = False


class MetricPoint(NamedTuple):
    """A metric at a time (ISO 8601): measured, with its interval, and estimated; `few`: grey."""

    at: str
    measured: float | None
    low: float | None
    high: float | None
    estimate: float | None
    few: bool = False


def draw_gain(gain: Gain, passed: bool, label: str) -> str:
    """Draw an interval over the zone that passes."""
    ends = (gain.low, gain.high, gain.limit, 0.0)
    margin = 0.08 * (max(ends) - min(ends)) or 1.0
    left, right = min(ends) - margin, max(ends) + margin
    axis = alt.Axis(tickCount=4, labelFontSize=10, grid=False, ticks=True, tickSize=3)
    x = alt.X("at:Q", title=None, scale=alt.Scale(domain=[left, right], nice=False), axis=axis)
    color = style.PASS if passed else style.FAIL
    zone = (
        chart_of(at=[gain.limit], end=[right]).mark_rect(color=style.ZONE).encode(x=x, x2="end:Q")
    )
    zero = chart_of(at=[0.0]).mark_rule(color=style.MUTED, strokeWidth=0.7).encode(x=x)
    limit = chart_of(at=[gain.limit]).mark_rule(color=style.PASS, strokeDash=[3, 2]).encode(x=x)
    span = chart_of(at=[gain.low], end=[gain.high]).mark_rule(color=color, strokeWidth=3)
    dot = chart_of(at=[gain.value]).mark_point(color=color, fill=color, size=55, opacity=1)
    layers = [zone, zero, limit, span.encode(x=x, x2="end:Q"), dot.encode(x=x)]
    return render(layers, label, 250, 46, {"left": 14, "right": 14, "top": 2, "bottom": 20})


def draw_dots(dots: Points, labels: Sequence[str], whole: float, title: str, label: str) -> str:
    """Draw each row's `value` as a dot sized by its `rows`, in its interval (`low`, `high`).

    Where it has none, its ends are its value. A dashed line is the value of the whole.
    """
    names = tell_apart(labels)
    points = chart_of(label=names, **dots)
    y = alt.Y("label:N", sort=None, title=None, axis=alt.Axis(grid=False))
    ends = [*dots["low"], *dots["value"], *dots["high"], whole]
    scale, axis = scale_of(ends, padding=7), alt.Axis(tickCount=5)
    x = alt.X("value:Q", title=title, scale=scale, axis=axis)
    low = alt.X("low:Q", title=title, scale=scale, axis=axis)
    span = points.mark_rule(color=style.ACCENT, strokeWidth=1.2).encode(x=low, x2="high:Q", y=y)
    size = alt.Size("rows:Q", legend=None, scale=alt.Scale(zero=True, range=[18, 120]))
    head = points.mark_circle(color=style.ACCENT, opacity=1).encode(x=x, y=y, size=size)
    rule = chart_of(x=[whole]).mark_rule(color=style.INK, strokeDash=[4, 3]).encode(x="x:Q")
    return render_rows([rule, span, head], names, 42, label)


def draw_over_time(moments: Sequence[MetricPoint], holdout: float, title: str, label: str) -> str:
    """Draw a metric over time: a line in its interval for what was measured, dots for estimates."""
    series = {name: [getattr(each, name) for each in moments] for name in MetricPoint._fields}
    points = chart_of(holdout=[holdout] * len(moments), **series)
    x = alt.X("at:T", title=None, axis=alt.Axis(grid=False, tickCount=6, format="%-d %b"))
    known = [value for name in ("measured", "low", "high", "estimate") for value in series[name]]
    scale, axis = scale_of([*known, holdout], padding=8), alt.Axis(tickCount=6)
    y = alt.Y("measured:Q", title=title, scale=scale, axis=axis)
    sure = points.transform_filter("isValid(datum.measured) && !datum.few")
    band = sure.mark_area(color=style.PALE, opacity=0.45).encode(x=x, y="low:Q", y2="high:Q")
    line = sure.mark_line(point={"color": style.ACCENT}, **style.LINE).encode(x=x, y=y)
    guessed = points.mark_point(color=style.FAIL, shape="diamond", size=46).encode(
        x=x, y="estimate:Q"
    )
    dots = guessed.transform_filter("isValid(datum.estimate)")
    grey = points.transform_filter("datum.few").mark_circle(color=style.MUTED).encode(x=x, y=y)
    rule = points.mark_rule(**style.DASHED).encode(y="holdout:Q")
    return render([rule, band, line, grey, dots], label)


def draw_lines(
    lines: Mapping[str, Sequence[float]], ends: Sequence[str], title: str, label: str
) -> str:
    """Draw named lines over the same periods, told apart by colour and dash."""
    names, count = [name for name in lines for _ in ends], len(lines)
    values = [value for each in lines.values() for value in each]
    points = chart_of(name=names, end=[*ends] * count, value=values)
    x = alt.X("end:O", title=None, sort=None, axis=alt.Axis(labelAngle=0, labelOverlap=True))
    y = alt.Y("value:Q", title=title, scale=scale_of(values, padding=8))
    known, plain = list(lines), alt.Legend(title=None, orient="top", symbolType="stroke")
    color = alt.Color("name:N", scale=alt.Scale(domain=known, range=style.LINES), legend=plain)
    dash = alt.StrokeDash("name:N", scale=alt.Scale(domain=known, range=style.DASHES), legend=plain)
    drawn = points.mark_line(strokeWidth=2).encode(x=x, y=y, color=color, strokeDash=dash)
    dots = points.mark_circle(size=26, opacity=1).encode(x=x, y=y, color=color)
    return render([drawn, dots], label, padding={**style.PADDING, "top": 34})


def draw_bars(bars: Sequence[Bar], least: float, label: str) -> str:
    """Draw labelled bars, each with its value as text. The scale reaches at least to `least`."""
    series = {name: [getattr(bar, name) for bar in bars] for name in Bar._fields}
    series["label"] = tell_apart(series["label"])
    points = chart_of(**series)
    room = style.WIDTH - left_of(series["label"])
    top = max([least, *series["value"]]) * room / (room - style.NUMBER)
    y = alt.Y("label:N", sort=None, title=None, axis=alt.Axis(grid=False))
    x = alt.X("value:Q", scale=alt.Scale(domain=[0, top], nice=False), axis=None)
    shade = alt.when("datum.faint").then(alt.value(style.PALE)).otherwise(alt.value(style.ACCENT))
    drawn = points.mark_bar(height=12).encode(x=x, y=y, color=shade)
    text = points.mark_text(align="left", dx=5, fontSize=10.5, color=style.INK)
    return render_rows([drawn, text.encode(x=x, y=y, text="text:N")], series["label"], 4, label)
