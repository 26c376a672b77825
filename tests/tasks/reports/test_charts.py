"""Charts as SVG: nothing leaves the plot, and no text breaks it."""

import re
from xml.etree import ElementTree

from candidates import HOSTILE, STEERING

from tasks.reports import charts
from tasks.reports.charts import draw_precision_recall


def test_points_that_share_a_place_stay_inside_the_plot() -> None:
    curve = {"recall": [0.1, 0.9, 1.0, 1.0, 1.0], "precision": [1.0, 0.8, 0.6, 0.5, 0.4]}
    svg = draw_precision_recall(curve, "curve")
    paths = re.findall(r'<path aria-label[^>]*d="([^"]*)"|<path d="(M[^"Z]*)"', svg)
    heights = [float(y) for path in paths for y in re.findall(r",(-?[\d.]+)", "".join(path))]
    assert min(heights) >= 0


def test_large_numbers_on_an_axis_take_little_room() -> None:
    assert charts._numbers([1.0, 60_000.0]).to_dict()["format"] == "~s"
    assert "format" not in charts._numbers([1.0]).to_dict()


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
