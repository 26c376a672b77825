"""Columns that together are the target are found, and others are not blamed."""

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from tasks.analysis.target_sums import find_sums

ROWS = 2000
RNG = np.random.default_rng(5)
NAMES = ("na", "eu", "jp", "other")
SALES = {
    name: RNG.pareto(2, ROWS).round(2) * scale
    for name, scale in zip(NAMES, (1, 0.7, 0.5, 0.1), strict=True)
}
REST = {f"noise{place}": RNG.normal(size=ROWS) for place in range(5)} | {
    "year": RNG.integers(1990, 2020, ROWS)
}
TOTAL = sum(SALES.values())
Y = np.asarray(TOTAL)


def name_found(y: object, columns: dict[str, object]) -> tuple[set[str], ...]:
    return tuple(set(each.columns) for each in find_sums(pl.DataFrame({"y": y} | columns)))


@pytest.mark.parametrize(
    "change",
    [
        lambda y: y,
        lambda y: y.round(2),
        lambda y: y.round(1),
        lambda y: 3.5 * y - 20,
        lambda y: (-y / 7).round(3),
        lambda y: y + RNG.normal(0, 0.02, ROWS),
    ],
)
def test_sum_is_found_whatever_its_scale_and_rounding(change: Callable[..., object]) -> None:
    assert name_found(change(Y), SALES | REST) == ({*NAMES},)


def test_difference_and_part_of_the_columns() -> None:
    assert name_found(SALES["na"] - SALES["jp"], SALES | REST) == ({"na", "jp"},)
    assert name_found(0.2 * SALES["na"] + 5 * SALES["other"], SALES | REST) == ({"na", "other"},)


@pytest.mark.parametrize("fill", [0.0, np.nan])
def test_gaps_in_the_parts_and_in_other_columns(fill: float) -> None:
    gaps = {name: np.where(RNG.random(ROWS) < 0.4, np.nan, each) for name, each in REST.items()}
    parts = {name: np.where(RNG.random(ROWS) < 0.3, np.nan, each) for name, each in SALES.items()}
    total = sum(np.nan_to_num(each, nan=fill) for each in parts.values())
    assert name_found(total, parts | gaps) == ({*NAMES},)


def test_wide_table_with_fewer_rows_than_columns() -> None:
    wide = {f"s{place}": RNG.normal(size=300) for place in range(520)}
    assert name_found(wide["s7"] + wide["s501"] - 2 * wide["s3"], wide) == ({"s7", "s501", "s3"},)
    assert name_found(RNG.normal(size=300), wide) == ()


def test_second_sum_is_found_too() -> None:
    other = {"before": Y * 2, "after": Y}
    found = name_found(Y, SALES | REST | {"tax": RNG.normal(size=ROWS)} | other)
    assert {*NAMES, "before", "after"} <= set().union(*found)
    assert not set(REST) & set().union(*found)


def test_product_is_found() -> None:
    price, count = RNG.uniform(1, 90, ROWS).round(2), RNG.integers(1, 40, ROWS)
    columns = {"price": price, "count": count} | SALES | REST
    assert name_found((price * count).round(2), columns) == ({"price", "count"},)
    assert name_found(price / count, columns) == ({"price", "count"},)


@pytest.mark.parametrize("noise", [0.1, 0.5])
def test_what_is_only_like_the_target_is_not_blamed(noise: float) -> None:
    assert name_found(Y + RNG.normal(0, noise * Y.std(), ROWS), SALES | REST) == ()


def test_few_rows_and_text_are_not_judged() -> None:
    assert name_found(Y[:20], {name: each[:20] for name, each in SALES.items()}) == ()
    assert name_found(["a", "b"] * (ROWS // 2), SALES) == ()
    assert name_found([1.0] * ROWS, SALES) == ()
