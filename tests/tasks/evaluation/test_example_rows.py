"""Examples are real rows of the holdout that lack little, the same ones in every run."""

import json
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from any_model import FEATURES, TABLE
from tables import Project

from tasks.core.columns import ROW
from tasks.evaluation.example_rows import write_examples
from tasks.extraction.run_plan import Plan
from tasks.extraction.snapshot import Snapshot
from tasks.preparation.split import Prepared, SplitRole, prepare_rows

Made = tuple[Plan, Snapshot, Prepared]


@pytest.fixture(autouse=True)
def _inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def prepare(folder: Path, table: pl.DataFrame) -> Made:
    plan, snapshot = Project(folder).extract(table, features=FEATURES)
    return plan, snapshot, prepare_rows(plan, snapshot, snapshot.parts[0].parent)


def test_examples_are_rows_of_the_holdout_with_few_nulls(tmp_path: Path) -> None:
    lacking = pl.col("id") % 7 > 0
    table = TABLE.with_columns(x=pl.when(~lacking).then("x"), flag=pl.when(~lacking).then("flag"))
    plan, snapshot, prepared = prepare(tmp_path, table)
    written = write_examples(plan, snapshot, prepared)
    assert written == write_examples(plan, snapshot, prepared)
    rows = json.loads(written)
    assert len(rows) == 3
    assert all(None not in row.values() for row in rows)
    numbers = prepared.scan(SplitRole.HOLDOUT).select(ROW).collect()[ROW]
    held = snapshot.scan().collect()[numbers.to_list()]
    assert {row["big"] for row in rows} <= set(held["big"])
    assert "id" not in rows[0]


def test_values_are_written_as_a_request_says_them(tmp_path: Path) -> None:
    odd = pl.when(pl.col("id") % 2 == 0).then(float("inf")).otherwise("x")
    table = TABLE.with_columns(x=odd, y="y", span=pl.lit(timedelta(minutes=90)))
    rows = json.loads(write_examples(*prepare(tmp_path, table)))
    assert all(row["span"] == "PT5400S" and type(row["price"]) is float for row in rows)
