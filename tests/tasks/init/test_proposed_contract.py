"""A proposed contract is kept by the data that it was drafted from, and by the next."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from drafts import FLIGHTS, ROWS, Draft, Y

from flows.retrain import plan_retrain
from tasks.analysis.data_contract import check_contract
from tasks.analysis.profile import profile_table
from tasks.core.checks import failed
from tasks.extraction.snapshot import describe_snapshot, extract_snapshot
from tasks.sources.query import open_table


def test_next_month_keeps_the_contract_of_the_last(draft: Draft, tmp_path: Path) -> None:
    definition, text = draft(str(FLIGHTS / "flights-2013-01.parquet"), "arr_delay")
    name = definition.name
    (tmp_path / f"{name}.toml").write_text(text.replace("2013-01.parquet", "2013-02.parquet"))
    plan = plan_retrain(str(tmp_path / f"{name}.toml"), None)
    table = open_table(plan.definition, plan.project)
    snapshot = describe_snapshot(plan, table, extract_snapshot(plan, table, tmp_path / "next"))
    assert not failed(check_contract(plan, snapshot, profile_table(snapshot.scan())))


def test_target_that_many_rows_lack_widens_the_contract(draft_columns: Draft) -> None:
    some = [Y[row] if row % 2 else None for row in range(ROWS)]
    definition, text = draft_columns(columns={"y": some})
    assert definition.checks.unlabelled == pytest.approx(0.68)
    assert "50.0% have no target" in text


def test_rows_that_are_still_to_come_are_allowed_where_they_were_seen(
    draft_columns: Draft,
) -> None:
    start = datetime.now(UTC).replace(tzinfo=None) - timedelta(hours=ROWS - 5)
    times = [start + timedelta(hours=row) for row in range(ROWS)]
    definition, text = draft_columns(columns={"at": times}, time="at")
    assert definition.checks.allow_future
    assert "rows are later than now" in text
