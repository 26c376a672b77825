"""Charts look like the page that they are on, by day and in the dark."""

import re
from pathlib import Path

from tasks.reports import chart_style, templates

CSS = (Path(templates.__file__).parent / "templates" / "style.css").read_text()
DAY, DARK = (dict(re.findall(r"--(\w+):(#\w+)", each)) for each in re.findall(r":root\{[^}]*", CSS))


def test_each_colour_of_a_chart_is_the_style_sheets_and_has_another_in_the_dark() -> None:
    colours = {name: each for name, each in vars(chart_style).items() if str(each)[:1] == "#"}
    assert len(colours) == 8
    for name, colour in colours.items():
        variable = name.lower()
        assert DAY[variable] == colour
        assert DARK[variable] != colour
        for part in ("fill", "stroke"):
            assert f'svg [{part}="{colour}"]{{{part}:var(--{variable})}}' in CSS


def test_the_dark_is_for_screens_and_paper_stays_white() -> None:
    assert "@media screen and (prefers-color-scheme:dark){:root{" in CSS


def test_padding_leaves_room_for_the_plot() -> None:
    around = chart_style.PADDING
    assert around["left"] + around["right"] < chart_style.WIDTH / 2
    assert chart_style.CONFIG["aria"] is False  # a chart has one label, and not one a mark
