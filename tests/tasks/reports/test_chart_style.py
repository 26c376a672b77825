"""Charts look like the page that they are on."""

from pathlib import Path

from tasks.reports import chart_style, templates


def test_charts_have_the_colours_of_the_style_sheet() -> None:
    css = (Path(templates.__file__).parent / "templates" / "style.css").read_text()
    assert f"--ink:{chart_style.INK};--muted:{chart_style.MUTED};" in css


def test_padding_leaves_room_for_the_plot() -> None:
    around = chart_style.PADDING
    assert around["left"] + around["right"] < chart_style.WIDTH / 2
    assert chart_style.CONFIG["aria"] is False  # a chart has one label, and not one a mark
