"""A table in memory gives what an entity was at a moment: the last that is not later."""

from datetime import UTC, datetime, timedelta

import polars as pl

from bentos.entity_table import hold_table, list_keys, microseconds
from tasks.core.columns import SINCE
from tasks.core.data_sections import FeatureTable

NOON = datetime(2020, 1, 1, 12, tzinfo=UTC)
HOURS = [NOON + timedelta(hours=n) for n in range(3)]


def test_the_last_value_that_is_not_later_counts_up_to_as_of() -> None:
    frame = pl.DataFrame({"k": ["a", "a", "a"], SINCE: HOURS, "v": [1, 2, 3]})
    table = FeatureTable(source="s", entity=("k",), time="at", values={"v": "x"})
    held = hold_table("past", table, ["v"], ["id", "k"], HOURS[1], frame)
    assert held.place((7, "a")) == "a"
    before, first, later = (microseconds(NOON + timedelta(hours=n)) for n in (-1, 0, 9))
    assert [held.find("a", at) for at in (before, first, later, None)] == [
        (None,), (1,), (2,), (None,)
    ]  # fmt: skip
    assert held.find("b", first) is held.nothing
    assert held.outlived is None


def test_a_table_without_time_has_one_value_for_an_entity_of_several_columns() -> None:
    frame = pl.DataFrame({"k": ["a"], "m": [1], "v": [2.5]})
    table = FeatureTable(source="s", entity=("k", "m"), values={"v": "x"})
    held = hold_table("now", table, ["v"], ["m", "k"], None, frame)
    assert list_keys(frame, table.entity) == [("a", 1)]
    assert held.find(held.place((1, "a")), None) == (2.5,)
