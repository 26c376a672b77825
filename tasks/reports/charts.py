"""Draws charts as SVG text, offline: no script, no network, the same bytes for the same points.

Each function takes points and `label`, the chart's text for screen readers, and gives SVG.
"""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

import altair as alt
import vl_convert

from tasks.reports import chart_style as style
from tasks.reports.formatting import printable

INK, MUTED = style.INK, style.MUTED
ACCENT, PALE, PASS, FAIL, ZONE = "#23598c", "#a9bfd4", "#1f7a4d", "#b3261e", "#e3f1e9"
LINE: dict[str, Any] = {"color": ACCENT, "strokeWidth": 2}
DASHED: dict[str, Any] = {"color": MUTED, "strokeDash": [4, 3]}
LINES, DASHES = [MUTED, ACCENT, PASS, FAIL], [[2, 3], [1, 0], [1, 0], [6, 3]]

Points = Mapping[str, Sequence[float]]


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
    color = PASS if passed else FAIL
    zone = _chart(at=[gain.limit], end=[right]).mark_rect(color=ZONE).encode(x=x, x2="end:Q")
    zero = _chart(at=[0.0]).mark_rule(color=MUTED, strokeWidth=0.7).encode(x=x)
    limit = _chart(at=[gain.limit]).mark_rule(color=PASS, strokeDash=[3, 2]).encode(x=x)
    span = _chart(at=[gain.low], end=[gain.high]).mark_rule(color=color, strokeWidth=3)
    dot = _chart(at=[gain.value]).mark_point(color=color, fill=color, size=55, opacity=1)
    layers = [zone, zero, limit, span.encode(x=x, x2="end:Q"), dot.encode(x=x)]
    return _render(layers, label, 250, 46, {"left": 14, "right": 14, "top": 2, "bottom": 20})


def draw_roc(curve: Points, label: str) -> str:
    """Draw the ROC curve above the diagonal of guessing."""
    points = _chart(x=[0, *curve["false_positive_rate"]], y=[0, *curve["true_positive_rate"]])
    line = _filled_line(points, "False positive rate", "True positive rate")
    return _render([_diagonal(0, 1), line], label)


def draw_precision_recall(curve: Points, label: str) -> str:
    """Draw precision by recall above the share of positives, which guessing would reach."""
    points = _chart(x=curve["recall"], y=curve["precision"])
    guess = _chart(y=[curve["precision"][-1]]).mark_rule(**DASHED)
    return _render([guess.encode(y="y:Q"), _filled_line(points, "Recall", "Precision")], label)


def draw_calibration(bins: Points, shares: bool, label: str) -> str:
    """Draw what was predicted against what came true, with its interval (`low`, `high`)."""
    ends = [value for name in ("predicted", "observed", "low", "high") for value in bins[name]]
    span = (0.0 if shares else min(ends), max(ends))
    axis = alt.Axis(format=".0%", tickCount=6) if shares else _numbers(ends)
    x = alt.X("predicted:Q", title="Predicted, on average", scale=alt.Scale(domain=span), axis=axis)
    y = alt.Y("observed:Q", title="Observed, on average", scale=alt.Scale(domain=span), axis=axis)
    size = alt.Size("rows:Q", legend=None, scale=alt.Scale(zero=True, range=[0, 90]))
    points = _chart(**bins)
    dots = points.mark_circle(color=ACCENT, opacity=0.9).encode(x=x, y=y, size=size)
    spans = points.mark_rule(color=ACCENT).encode(x=x, y="low:Q", y2="high:Q")
    return _render([_diagonal(*span), spans, dots], label)


def draw_learning(curve: Points, rounds: int, label: str) -> str:
    """Draw the loss by round, and the round that was chosen."""
    x = alt.X("x:Q", title="Round", scale=alt.Scale(nice=False), axis=alt.Axis(grid=False))
    y = alt.Y("y:Q", title="Loss", scale=alt.Scale(zero=False), axis=_numbers(curve["loss"]))
    line = _chart(x=curve["round"], y=curve["loss"]).mark_line(**LINE).encode(x=x, y=y)
    chosen = _chart(x=[rounds], text=[f"{rounds} rounds"])
    rule = chosen.mark_rule(**DASHED).encode(x="x:Q")
    late = rounds > 0.7 * curve["round"][-1]
    side: dict[str, Any] = {"align": "right", "dx": -5} if late else {"align": "left", "dx": 5}
    text = chosen.mark_text(color=MUTED, fontSize=10.5, **side)
    text = text.encode(x="x:Q", y=alt.value(6), text="text:N")
    return _render([rule, line, text], label)


def draw_trials(
    losses: Sequence[float], pruned: Sequence[bool], best: Sequence[float], label: str
) -> str:
    """Draw each trial's loss, pale where it was given up, and the best loss so far."""
    points = _chart(trial=range(1, len(best) + 1), best=best, loss=losses, pruned=pruned)
    axis, scale = alt.Axis(grid=False, tickCount=6, format="d"), alt.Scale(zero=False, padding=8)
    x = alt.X("trial:Q", title="Trial", scale=alt.Scale(nice=False, padding=8), axis=axis)
    y = alt.Y("best:Q", title="Loss", scale=scale, axis=_numbers(losses))
    line = points.mark_line(interpolate="step-after", **LINE)
    color = alt.when("datum.pruned").then(alt.value(PALE)).otherwise(alt.value(ACCENT))
    dots = points.mark_circle(size=34, opacity=1)
    layers = [line.encode(x=x, y=y), dots.encode(x=x, y=alt.Y("loss:Q", scale=scale), color=color)]
    return _render(layers, label)


def draw_residuals(bands: Points, label: str) -> str:
    """Draw the spread of observed minus predicted along the predictions, as quantile bands."""
    points = _chart(**bands)
    scale, axis = alt.Scale(nice=False, zero=False), _numbers(bands["predicted"])
    x = alt.X("predicted:Q", title="Predicted", scale=scale, axis=axis)
    y = alt.Y("q10:Q", title="Observed − predicted", axis=_numbers([*bands["q10"], *bands["q90"]]))
    outer = points.mark_area(color=PALE, opacity=0.35).encode(x=x, y=y, y2="q90:Q")
    inner = points.mark_area(color=PALE, opacity=0.8).encode(x=x, y="q25:Q", y2="q75:Q")
    middle = points.mark_line(**LINE).encode(x=x, y="q50:Q")
    zero = _chart(y=[0.0]).mark_rule(color=INK, strokeDash=[4, 3]).encode(y="y:Q")
    return _render([outer, inner, zero, middle], label)


def draw_lollipops(
    dots: Points, labels: Sequence[str], whole: float, title: str, label: str
) -> str:
    """Draw each row's `value` as a dot sized by its `rows`, tied to the value of the whole."""
    points = _chart(label=labels, whole=[whole] * len(labels), **dots)
    y = alt.Y("label:N", sort=None, title=None, axis=alt.Axis(grid=False))
    scale, axis = alt.Scale(zero=False, padding=7), alt.Axis(tickCount=5)
    x = alt.X("value:Q", title=title, scale=scale, axis=axis)
    stem = points.mark_rule(color=PALE, strokeWidth=2).encode(x=x, x2="whole:Q", y=y)
    size = alt.Size("rows:Q", legend=None, scale=alt.Scale(zero=True, range=[18, 120]))
    head = points.mark_circle(color=ACCENT, opacity=1).encode(x=x, y=y, size=size)
    rule = _chart(x=[whole]).mark_rule(color=INK, strokeDash=[4, 3]).encode(x="x:Q")
    return _render_rows([rule, stem, head], labels, 42, label)


def draw_over_time(moments: Sequence[MetricPoint], holdout: float, title: str, label: str) -> str:
    """Draw a metric over time: a line in its interval for what was measured, dots for estimates."""
    series = {name: [getattr(each, name) for each in moments] for name in MetricPoint._fields}
    points = _chart(holdout=[holdout] * len(moments), **series)
    x = alt.X("at:T", title=None, axis=alt.Axis(grid=False, tickCount=6, format="%-d %b"))
    scale, axis = alt.Scale(zero=False, padding=8), alt.Axis(tickCount=6)
    y = alt.Y("measured:Q", title=title, scale=scale, axis=axis)
    known = points.transform_filter("isValid(datum.measured) && !datum.few")
    band = known.mark_area(color=PALE, opacity=0.45).encode(x=x, y="low:Q", y2="high:Q")
    line = known.mark_line(point={"color": ACCENT}, **LINE).encode(x=x, y=y)
    guessed = points.mark_point(color=FAIL, shape="diamond", size=46).encode(x=x, y="estimate:Q")
    dots = guessed.transform_filter("isValid(datum.estimate)")
    grey = points.transform_filter("datum.few").mark_circle(color=MUTED).encode(x=x, y=y)
    rule = points.mark_rule(**DASHED).encode(y="holdout:Q")
    return _render([rule, band, line, grey, dots], label)


def draw_lines(
    lines: Mapping[str, Sequence[float]], ends: Sequence[str], title: str, label: str
) -> str:
    """Draw named lines over the same periods, told apart by colour and dash."""
    names, count = [name for name in lines for _ in ends], len(lines)
    values = [value for each in lines.values() for value in each]
    points = _chart(name=names, end=[*ends] * count, value=values)
    x = alt.X("end:O", title=None, sort=None, axis=alt.Axis(labelAngle=0, labelOverlap=True))
    y = alt.Y("value:Q", title=title, scale=alt.Scale(zero=False, padding=8))
    known, plain = list(lines), alt.Legend(title=None, orient="top", symbolType="stroke")
    color = alt.Color("name:N", scale=alt.Scale(domain=known, range=LINES), legend=plain)
    dash = alt.StrokeDash("name:N", scale=alt.Scale(domain=known, range=DASHES), legend=plain)
    drawn = points.mark_line(strokeWidth=2).encode(x=x, y=y, color=color, strokeDash=dash)
    dots = points.mark_circle(size=26, opacity=1).encode(x=x, y=y, color=color)
    return _render([drawn, dots], label, padding={**style.PADDING, "top": 34})


def draw_bars(bars: Sequence[Bar], least: float, label: str) -> str:
    """Draw labelled bars, each with its value as text. The scale reaches at least to `least`."""
    series = {name: [getattr(bar, name) for bar in bars] for name in Bar._fields}
    points = _chart(**series)
    top = 1.12 * max([least, *series["value"]])
    y = alt.Y("label:N", sort=None, title=None, axis=alt.Axis(grid=False))
    x = alt.X("value:Q", scale=alt.Scale(domain=[0, top], nice=False), axis=None)
    shade = alt.when("datum.faint").then(alt.value(PALE)).otherwise(alt.value(ACCENT))
    drawn = points.mark_bar(height=12).encode(x=x, y=y, color=shade)
    text = points.mark_text(align="left", dx=5, fontSize=10.5, color=INK)
    return _render_rows([drawn, text.encode(x=x, y=y, text="text:N")], series["label"], 4, label)


def _filled_line(points: alt.Chart, x: str, y: str) -> alt.Chart:
    shares: Any = {"scale": alt.Scale(domain=[0, 1]), "axis": alt.Axis(**style.SHARES)}
    area: alt.Chart = points.mark_area(color=ACCENT, fillOpacity=0.08, line=LINE)
    across, up = alt.X("x:Q", title=x, **shares), alt.Y("y:Q", title=y, stack=None, **shares)
    return area.encode(x=across, y=up)  # not stacked: points may share an x


def _diagonal(least: float, most: float) -> alt.Chart:
    ends = _chart(x=[least, most], y=[least, most])
    line: alt.Chart = ends.mark_line(color=MUTED, strokeWidth=1, strokeDash=[4, 3])
    return line.encode(x="x:Q", y="y:Q")


def _numbers(values: Sequence[float], **axis: Any) -> alt.Axis:
    """Label an axis; large numbers as 60k, so that they take little room."""
    if max(map(abs, values)) >= 10_000:
        axis["format"] = "~s"
    return alt.Axis(tickCount=6, **axis)


def _render_rows(layers: Sequence[alt.Chart], labels: Sequence[str], below: int, label: str) -> str:
    widest = max((len(each) for each in labels), default=0)
    left = min(style.LABEL, round(style.LETTER * widest)) + 10
    around = {"left": left, "right": 14, "top": 4, "bottom": below}
    return _render(layers, label, height=style.ROW * len(labels) + 4 + below, padding=around)


def _chart(**series: Sequence[Any]) -> alt.Chart:
    rows = zip(*(map(printable, values) for values in series.values()), strict=True)
    return alt.Chart(alt.InlineData(values=[dict(zip(series, row, strict=True)) for row in rows]))


def _render(
    layers: Sequence[alt.Chart],
    label: str,
    width: int = style.WIDTH,
    height: int = style.HEIGHT,
    padding: Mapping[str, int] = style.PADDING,
) -> str:
    """Render to SVG of exactly this size, so that plots align and text is equally large in all."""
    inner = {
        "width": width - padding["left"] - padding["right"],
        "height": height - padding["top"] - padding["bottom"],
    }
    chart: Any = alt.layer(*layers)
    drawn = chart.properties(**inner, autosize="none", padding=dict(padding))
    spec = drawn.to_dict(validate=False)  # each part was validated when it was made
    svg = vl_convert.vegalite_to_svg(spec, config=style.CONFIG, allowed_base_urls=[])
    text = escape(printable(label))
    return svg.replace("<svg ", f'<svg role="img" aria-label="{text}" ', 1)
