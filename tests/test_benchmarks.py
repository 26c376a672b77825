"""The page of numbers says what the records say, and how cost grows is fitted rightly."""

import pytest

from benchmarks.growth import choose_ticks, fit_exponent
from benchmarks.page import PAGE, PLOTS, compose_page


def test_page_is_what_the_records_say() -> None:
    assert PAGE.read_text() == compose_page(), "run `python -m benchmarks page`"


def test_plots_that_the_page_shows_are_there() -> None:
    shown = [part.partition(")")[0] for part in PAGE.read_text().split("](benchmarks/")[1:]]
    assert {PLOTS / name for name in shown} == set(PLOTS.glob("*"))


@pytest.mark.parametrize("power", [0.5, 1.0, 1.3])
def test_exponent_is_the_power_of_rows(power: float) -> None:
    points = {rows: 3e-6 * rows**power for rows in (336_776, 1_000_000, 30_000_000)}
    assert fit_exponent(points) == pytest.approx(power)


def test_one_size_has_no_exponent() -> None:
    assert fit_exponent({1_000_000: 2.0}) is None


@pytest.mark.parametrize("costs", [(0.0002, 0.4), (210.0, 230.0), (100.0, 100.0), (1.0, 50_000.0)])
def test_ticks_lie_around_all_costs(costs: tuple[float, float]) -> None:
    ticks = choose_ticks(costs)
    assert ticks[0] <= costs[0] <= costs[1] <= ticks[-1]
    assert len(ticks) > 1
