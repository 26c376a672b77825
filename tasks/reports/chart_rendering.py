"""What every chart is made by: points for Vega-Lite, an axis of numbers, and the SVG itself.

Offline: no script, no network, the same bytes for the same points. Not responsible for any one
chart (`charts`, `curve_charts`).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import altair as alt
import vl_convert

from tasks.reports import chart_style as style
from tasks.reports.formatting import printable
from tasks.reports.svg import slim

Points = Mapping[str, Sequence[float]]


def chart_of(**series: Sequence[Any]) -> alt.Chart:
    """Make a chart of named series, as long as each other."""
    rows = zip(*(map(printable, values) for values in series.values()), strict=True)
    return alt.Chart(alt.InlineData(values=[dict(zip(series, row, strict=True)) for row in rows]))


def number_axis(values: Sequence[float], **axis: Any) -> alt.Axis:
    """Label an axis; large numbers as 60k, so that they take little room."""
    if max(map(abs, values)) >= 10_000:
        axis["format"] = "~s"
    return alt.Axis(tickCount=6, **axis)


def tell_apart(labels: Sequence[str]) -> list[str]:
    """Tell labels that are alike apart by number: Vega would join the rows of long names, once cut.

    >>> tell_apart(["a", "b", "a"])
    ['a', 'b', 'a #2']
    """
    known, told = Counter[str](), list[str]()
    for each in map(printable, labels):
        known[each] += 1
        told.append(each if known[each] == 1 else f"{each} #{known[each]}")
    return told


def left_of(labels: Sequence[str]) -> int:
    """Give the room that the longest label takes."""
    widest = max((len(each) for each in labels), default=0)
    return min(style.LABEL, round(style.LETTER * widest)) + 10


def scale_of(values: Sequence[float | None], padding: int = 0) -> alt.Scale:
    """Scale an axis to its values; around one alone, whose tick Vega would round to a whole."""
    known = {each for each in values if each is not None}
    if len(known) != 1:
        return alt.Scale(zero=False, padding=padding)
    (only,) = known
    reach = abs(only) / 10 or 1.0
    return alt.Scale(domain=[only - reach, only + reach])


def render_rows(layers: Sequence[alt.Chart], labels: Sequence[str], below: int, label: str) -> str:
    """Render a chart with a row for each of its labels."""
    around = {"left": left_of(labels), "right": 14, "top": 4, "bottom": below}
    return render(layers, label, height=style.ROW * len(labels) + 4 + below, padding=around)


def render(
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
    svg = slim(vl_convert.vegalite_to_svg(spec, config=style.CONFIG, allowed_base_urls=[]))
    text = escape(printable(label))
    return svg.replace("<svg ", f'<svg role="img" aria-label="{text}" ', 1)
