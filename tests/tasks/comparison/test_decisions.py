"""Flips and differences, counted once more by hand and by scikit-learn."""

import numpy as np
import polars as pl
from compared import DEFINITION
from sklearn.metrics import confusion_matrix, mean_absolute_error

from tasks.comparison.decisions import (
    compare_slices,
    count_flips,
    decide,
    measure_differences,
)
from tasks.core.definition import parse_definition

DRAW = np.random.default_rng(1)


def test_each_version_decides_by_its_own_threshold() -> None:
    chances = np.array([0.2, 0.3, 0.5])
    definition = parse_definition(DEFINITION, "d")
    assert decide(definition, chances).tolist() == [0, 0, 1]
    assert decide(definition.settle(0.4), chances).tolist() == [0, 0, 1]
    assert decide(definition.settle(0.3), chances).tolist() == [0, 1, 1]
    own = parse_definition(DEFINITION + "[serving]\nthreshold = 0.3", "d")
    assert decide(own, chances).tolist() == [0, 1, 1]


def test_flips_are_the_cells_off_the_diagonal_of_a_confusion_matrix() -> None:
    before, after, target = DRAW.integers(0, 3, (3, 500))
    found = count_flips(before, after, target.astype(float), ("a", "b", "c"))
    table = confusion_matrix(before, after)
    told = {(each.before, each.after): each.rows for each in found.flips}
    assert told == {
        (one, other): table[i, j]
        for i, one in enumerate("abc")
        for j, other in enumerate("abc")
        if i != j
    }
    assert found.flipped == sum(told.values()) == (before != after).sum()
    assert found.mended == ((before != after) & (after == target)).sum()
    assert found.spoilt == ((before != after) & (before == target)).sum()
    counts = [each.rows for each in found.flips]
    assert counts == sorted(counts, reverse=True)
    assert sum(each.right_after for each in found.flips) == found.mended


def test_differences_are_beside_the_usual_error() -> None:
    before, after, target = DRAW.normal(size=(3, 1000))
    found = measure_differences(before, after, target)
    moved = after - before
    assert np.isclose(found.typical_error, mean_absolute_error(target, before), atol=1e-9)
    assert np.isclose(found.mean_size, mean_absolute_error(after, before), atol=1e-9)
    assert np.isclose(found.beyond, np.mean(np.abs(moved) > found.typical_error))
    assert found.quantiles == tuple(np.quantile(moved, [0.05, 0.25, 0.5, 0.75, 0.95]))
    assert measure_differences(before, before, target).moved == 0


def test_slices_are_ranked_and_small_ones_left_out() -> None:
    rows = pl.DataFrame({"slice:c": ["a"] * 40 + ["b"] * 60 + ["d"] * 5})
    flips = np.arange(105) % 4 == 0
    flips[:20] = True
    found = compare_slices(rows, flips, 10)
    assert [(each.level, each.rows, each.flipped) for each in found] == [
        ("a", 40, 25), ("b", 60, 15),
    ]  # fmt: skip
    values = np.where(np.arange(105) < 40, -1.0, 2.0)
    sizes = compare_slices(rows, values, 10)
    assert [(each.level, each.mean_size, each.share) for each in sizes] == [
        ("b", 2.0, None), ("a", 1.0, None),
    ]  # fmt: skip
