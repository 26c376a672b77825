"""Many columns cost as much as each of them, and no more."""

from time import process_time

import polars as pl

from tasks.core.data_sections import Source
from tasks.init.column_statistics import count_values, measure
from tasks.sources.query import SourceTable


def make_table(columns: int) -> SourceTable:
    frame = pl.DataFrame({f"s{place}": ["a", "b", "b"] for place in range(columns)}).lazy()
    schema, sources = frame.collect_schema(), {"s": Source(uri="s.parquet")}
    return SourceTable(
        rows=frame, plain=frame, columns=schema, time=None, sources=sources, files={}
    )


def test_cost_grows_with_the_number_of_columns() -> None:
    def measure_cpu(columns: int) -> float:
        table = make_table(columns)
        asked = {
            name: {"least": pl.col(name).min(), "different": pl.col(name).n_unique()}
            for name in table.columns
        }
        begun = process_time()
        found = measure(table, asked)
        assert found["s7"] == {"least": "a", "different": 2}
        assert len(found) == columns
        return process_time() - begun

    measure_cpu(20)
    assert measure_cpu(800) < 9 * measure_cpu(200)  # 16 if it grew with their square


def test_values_are_counted_for_each_column() -> None:
    table = make_table(70)
    asked = {name: pl.col(name) for name in table.columns}
    counts = dict(count_values(table, asked))
    assert dict(counts["s64"].iter_rows()) == {"a": 1, "b": 2}
    assert list(counts) == list(asked)
