"""How charts look: colours, sizes in pixels, and Vega's configuration."""

from typing import Any

INK, MUTED, GRID = "#1c2530", "#5d6b7a", "#e4e8ec"
MOST_BARS = 14  # that a chart shows of a long ranking
WIDTH, HEIGHT, ROW, LABEL, LETTER = 400, 270, 21, 190, 6
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
        "labelColor": INK,
        "titleColor": MUTED,
        "labelPadding": 6,
        "titlePadding": 8,
        "labelLimit": LABEL,
        "labelFlush": False,
    },
}
SHARES: dict[str, Any] = {"format": ".0%", "values": [0, 0.2, 0.4, 0.6, 0.8, 1]}
