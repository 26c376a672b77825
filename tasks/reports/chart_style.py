"""How charts look: colours, sizes in pixels, and Vega's configuration.

Colours are those of the style sheet by day; it gives each another one in the dark.
"""

from typing import Any

INK, MUTED, GRID = "#1c2530", "#5d6b7a", "#e4e8ec"
ACCENT, PALE, PASS, FAIL, ZONE = "#23598c", "#a9bfd4", "#1f7a4d", "#b3261e", "#e3f1e9"
LINE: dict[str, Any] = {"color": ACCENT, "strokeWidth": 2}
BAND: dict[str, Any] = {"color": PALE, "opacity": 0.5}
DASHED: dict[str, Any] = {"color": MUTED, "strokeDash": [4, 3]}
LINES, DASHES = [MUTED, ACCENT, PASS, FAIL], [[2, 3], [1, 0], [1, 0], [6, 3]]
MOST_BARS = 14  # that a chart shows of a long ranking
WIDTH, HEIGHT, ROW, LABEL, LETTER = 400, 270, 21, 210, 6.4
NUMBER = 44  # that the text beside a bar takes
PADDING = {"left": 52, "right": 18, "top": 8, "bottom": 42}
_TEXT: dict[str, Any] = {"labelFontSize": 10.5, "titleFontSize": 10.5, "titleFontWeight": "normal"}
CONFIG = {
    "background": "transparent",
    "font": "Helvetica, Arial, sans-serif",
    "aria": False,  # the whole chart gets one label
    "view": {"stroke": None},
    "axis": {
        **_TEXT,
        "domain": False,
        "ticks": False,
        "gridColor": GRID,
        "tickColor": MUTED,
        "labelColor": INK,
        "titleColor": MUTED,
        "labelPadding": 6,
        "titlePadding": 8,
        "labelLimit": LABEL,
        "labelFlush": False,
    },
    "legend": {"labelColor": INK},
}
SHARES: dict[str, Any] = {"format": ".0%", "values": [0, 0.2, 0.4, 0.6, 0.8, 1]}
