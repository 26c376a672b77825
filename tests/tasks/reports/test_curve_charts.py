"""Curves as SVG: nothing leaves the plot, and a band is drawn where it is known."""

import re

from tasks.reports.curve_charts import draw_precision_recall, draw_roc

CURVE = {"recall": [0.1, 0.9, 1.0, 1.0, 1.0], "precision": [1.0, 0.8, 0.6, 0.5, 0.4]}
BAND = {"low": [0.5, 0.7, 0.5, 0.4, 0.3], "high": [1.0, 0.9, 0.7, 0.6, 0.5]}


def test_points_that_share_a_place_stay_inside_the_plot() -> None:
    svg = draw_precision_recall(CURVE | BAND, "curve")
    paths = re.findall(r'd="(M[^"]*)"', svg)
    heights = [float(y) for path in paths for y in re.findall(r",(-?[\d.]+)", path)]
    assert min(heights) >= 0
    assert len(paths) == 2


def test_an_older_curve_has_no_band_and_both_begin_at_the_origin() -> None:
    curve = {"false_positive_rate": [0.2, 1.0], "true_positive_rate": [0.6, 1.0]}
    without = draw_roc(curve, "curve")
    with_band = draw_roc({**curve, "low": [0.5, 1.0], "high": [0.7, 1.0]}, "curve")
    assert "#a9bfd4" not in without
    assert "#a9bfd4" in with_band
    assert 'd="M0,220L66,88L330,0"' in without
