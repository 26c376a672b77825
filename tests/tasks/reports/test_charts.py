"""Charts as SVG: nothing leaves the plot, and no text breaks it."""

import re
from collections.abc import Sequence
from xml.etree import ElementTree

from candidates import HOSTILE, STEERING

from tasks.reports import charts


def test_text_that_no_xml_may_hold_is_written_out() -> None:
    bars = [charts.Bar(f"\x00{HOSTILE}\uffff\ud800", 0.5, HOSTILE)]
    svg = charts.draw_bars(bars, 0.1, HOSTILE)
    texts = [each or "" for each in ElementTree.fromstring(svg).itertext()]
    assert any(r"\x1b[31m" in each for each in texts)
    assert not set(STEERING) & set(svg)
    assert "<script" not in svg


def test_lines_are_told_apart_and_have_a_legend() -> None:
    svg = charts.draw_lines({"never": [1, 2], "drift": [2, 3]}, ["Jan", "Feb"], "AUC", "label")
    assert {">never<", ">drift<", ">Jan<"} <= set(re.findall(">[^<]+<", svg))
    assert svg == charts.draw_lines(
        {"never": [1, 2], "drift": [2, 3]}, ["Jan", "Feb"], "AUC", "label"
    )


def widths_of(svg: str) -> list[float]:
    return [
        float(each)
        for each in re.findall(r'<line[^>]* x2="([-.\d]+)" y2="0" stroke="#23598c"', svg)
    ]


def draw_dots(low: Sequence[float], high: Sequence[float]) -> str:
    dots = {"value": [0.5, 0.7], "rows": [50, 900], "low": low, "high": high}
    return charts.draw_dots(dots, ["a", "b"], 0.6, "AUC", "AUC by slice")


def test_a_dot_stands_in_its_interval_and_one_without_has_no_line() -> None:
    wide, none = (
        widths_of(draw_dots([0.3, 0.65], [0.7, 0.75])),
        widths_of(draw_dots([0.5, 0.7], [0.5, 0.7])),
    )
    assert len(wide) == 2
    assert abs(wide[0]) == max(map(abs, wide)) > 0
    assert not any(none)


def test_rows_whose_names_are_cut_alike_stay_apart() -> None:
    bars = [charts.Bar("same", value, "1%") for value in (0.5, 0.4)]
    drawn = charts.draw_bars(bars, 0.1, "label")
    assert {">same<", ">same #2<"} <= set(re.findall(">[^<]+<", drawn))
    dots = {"value": [0.5, 0.7], "rows": [5, 5], "low": [0.4, 0.6], "high": [0.6, 0.8]}
    assert ">same #2<" in charts.draw_dots(dots, ["same", "same"], 0.6, "AUC", "label")


def test_one_value_alone_is_not_rounded_on_its_axis() -> None:
    svg = charts.draw_lines({"never": [0.5, 0.5]}, ["Jan", "Feb"], "Log loss", "label")
    assert ">0.50<" in svg
    assert ">1<" not in svg
