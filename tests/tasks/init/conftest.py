"""Drafts of definitions from made-up tables."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from drafts import ROWS, Draft, Drafted, X, Y

from flows.retrain import plan_retrain
from tasks.analysis.data_contract import check_contract
from tasks.analysis.profile import profile_table
from tasks.core.checks import failed
from tasks.extraction.snapshot import describe_snapshot, extract_snapshot
from tasks.init.propose import draft_definition
from tasks.preparation.split import prepare_rows
from tasks.sources.query import open_table


@pytest.fixture
def draft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Draft:
    """Draft a definition, and see it keep its own contract and split into numbered rows."""
    monkeypatch.setenv("PERENNIAL_ROOT", str(tmp_path / "root"))

    def draft_and_prepare(data: str, target: str, **given: Any) -> Drafted:
        options: dict[str, Any] = {"time": None, "key": (), "name": None} | given
        name, text, _ = draft_definition(data, target, project=tmp_path, **options)
        path = tmp_path / f"{name}.toml"
        path.write_text(text)
        plan = plan_retrain(str(path), None)
        table = open_table(plan.definition, plan.project)
        folder = tmp_path / f"run-{name}"
        snapshot = describe_snapshot(plan, table, extract_snapshot(plan, table, folder))
        profile = profile_table(snapshot.scan())
        assert not failed(check_contract(plan, snapshot, profile))
        prepare_rows(plan, snapshot, folder)
        return plan.definition, text

    return draft_and_prepare


@pytest.fixture
def draft_csv(draft: Draft, tmp_path: Path) -> Draft:
    """Draft from a CSV file of ROWS lines, each made from its number."""

    def write_and_draft(
        header: str, line: Callable[[int], str], target: str, **given: Any
    ) -> Drafted:
        lines = [header, *map(line, range(ROWS))]
        (tmp_path / "table.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        return draft("table.csv", target, **given)

    return write_and_draft


@pytest.fixture
def draft_columns(draft: Draft, tmp_path: Path) -> Draft:
    """Draft from a Parquet file of these columns; the target is `y` if it is not among them."""

    def write_and_draft(target: str = "y", columns: Any = None, **given: Any) -> Drafted:
        pl.DataFrame({"x": X, "y": Y} | (columns or {})).write_parquet(tmp_path / "table.parquet")
        return draft("table.parquet", target, **given)

    return write_and_draft
