"""What all charts share: an axis that takes little room, and one label for the whole."""

from candidates import HOSTILE

from tasks.reports.chart_rendering import chart_of, number_axis, render


def test_large_numbers_on_an_axis_take_little_room() -> None:
    assert number_axis([1.0, 60_000.0]).to_dict()["format"] == "~s"
    assert "format" not in number_axis([1.0]).to_dict()


def test_a_chart_is_an_image_with_one_label_that_is_no_markup() -> None:
    svg = render([chart_of(x=[1.0]).mark_point().encode(x="x:Q")], HOSTILE)
    assert svg.startswith('<svg role="img" aria-label="&lt;/text&gt;&lt;script&gt;')
    assert svg.count("aria-label") == svg.count("role=") == 1
