"""The step profiles a snapshot and stops a run whose data breaks the contract."""

import polars as pl
import pytest
from tables import ROWS, Project

from tasks.analysis.column_summary import summarise
from tasks.analysis.profile import from_bytes
from tasks.analysis.task import analyse
from tasks.core.errors import ContractBroken


def test_profile_is_written_and_checks_are_kept(made: Project) -> None:
    plan, snapshot = made.extract(ROWS.with_columns(k=pl.lit(1)))
    found = analyse.fn(plan, snapshot, made.folder)
    assert summarise(from_bytes(found.profile.read_bytes())) == found.columns
    assert {check.name for check in found.checks} >= {"rows", "features", "unlabelled"}
    assert found.warnings == ("column 'k' has one value only: it tells the model nothing",)
    assert (found.drift, found.reference) == ((), None)


def test_broken_checks_are_named_up_to_five(made: Project) -> None:
    rules = {f"checks.columns.{name}": "min = 99" for name in ("x", "k", "id")}
    rows = ROWS.with_columns(id=pl.col("id") // 8, x=pl.lit(None, pl.Float64), y=pl.lit(None))
    plan, snapshot = made.extract(rows, checks="rows = 500", **rules)
    with pytest.raises(ContractBroken, match=r"rows: 400 rows, .*; and \d more \(mend the data"):
        analyse.fn(plan, snapshot, made.folder)
