"""What rows count and cost, by their columns or by the definition."""

import numpy as np
import polars as pl
from tables import define

from tasks.core.columns import FALSE_ALARM, MISSED, WEIGHT
from tasks.core.definition import parse_definition
from tasks.evaluation.row_values import pick_costs, read_costs

ROWS = pl.DataFrame({WEIGHT: [1.0, 2.0], FALSE_ALARM: [3.0, 4.0], MISSED: [5.0, 6.0]})


def test_a_row_s_own_costs_come_before_those_of_all() -> None:
    text = define(serving="cost = { false_alarm = 1, missed = 2 }")
    definition = parse_definition(text, "made.toml")
    own = read_costs(definition, ROWS)
    assert own is not None
    assert [np.asarray(each).tolist() for each in own] == [[3, 4], [5, 6]]
    assert read_costs(definition, ROWS.select(WEIGHT)) == (1.0, 2.0)
    assert read_costs(parse_definition(define(), "made.toml"), ROWS.select(WEIGHT)) is None


def test_costs_of_some_rows() -> None:
    inside = np.array([False, True])
    one, other = pick_costs((np.array([3.0, 4.0]), 7.0), inside) or (0.0, 0.0)
    assert (np.asarray(one).tolist(), other) == ([4], 7.0)
    assert pick_costs(None, inside) is None
