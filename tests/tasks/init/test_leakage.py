"""A feature that tells the target is left out, unless there is no other."""

import polars as pl
from drafts import FLIGHTS, ROWS, Draft, Y, line_of

from tasks.init.leakage import score_alone


def test_copy_of_the_target_gives_it_away(draft_columns: Draft) -> None:
    labels = ["won" if value > 0 else "lost" for value in Y]
    codes = [7 if value > 0 else 3 for value in Y]
    definition, text = draft_columns(columns={"y": labels, "code": codes})
    assert set(definition.features or {}) == {"x"}
    assert "AUC 1.000 alone" in line_of(text, "# code")


def test_what_gives_the_target_away_stays_where_nothing_else_is(draft_columns: Draft) -> None:
    definition, text = draft_columns(columns={"x": 3 * Y + 1})
    assert set(definition.features or {}) == {"x"}
    assert "gives y away" in line_of(text, "x ")


def test_few_rows_and_a_column_without_values_foretell_nothing() -> None:
    sample = pl.DataFrame({"y": Y, "empty": pl.Series([None] * ROWS, dtype=pl.Float64)})
    assert score_alone(sample.head(10), "regression") == {}
    assert score_alone(sample, "regression")["empty"] < 0.05


def test_departure_delay_is_questioned_but_kept(draft: Draft) -> None:
    definition, text = draft(str(FLIGHTS / "flights-2013-01.parquet"), "arr_delay")
    assert definition.extract.time == "time_hour"
    assert "dep_delay" in (definition.features or {})
    assert "is it known in advance?" in line_of(text, "dep_delay")
    assert "# 606 of 27,004 rows have no target" in text
