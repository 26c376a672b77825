"""The drill on a real version: each fault meets its guard, and what is sound meets none."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flows.drill import drill
from tasks.errors import DefinitionError

FLIGHTS = Path(__file__).parents[2] / "data" / "nycflights13"
Retrain = Callable[..., dict[str, Any]]


@pytest.fixture
def many_flights(project: Path) -> None:
    """Put every fourth flight of five months into the project: alarms need rows to be sure."""
    flights = pl.read_parquet(FLIGHTS / "flights-*.parquet").filter(pl.col("month") <= 5)
    data = project / "data" / "nycflights13"
    for file in data.glob("flights-*"):
        file.unlink()
    listed = pl.col("carrier").cast(pl.Categorical)
    flights.gather_every(4).with_columns(listed).write_parquet(data / "flights-2013.parquet")


def test_each_fault_is_caught_by_the_guard_that_a_run_would_meet(
    many_flights: None, retrain: Retrain, tmp_path: Path
) -> None:
    retrain()
    before = sorted(path for path in (tmp_path / "root" / "models").rglob("*"))
    found = drill("flight-delay")
    guards = {each["fault"]: each["guard"] for each in found["faults"]}
    assert found["false_alarms"] == []
    assert found["passed"], [each for each in found["faults"] if not each["caught"]]
    assert guards["duplicated rows"] == guards["missing partition"] == "data contract"
    assert guards["shuffled labels"] == guards["candidate made worse"] == "gate"
    assert guards["missing approval"] == "ledger"
    assert guards["bento with another model"] == "proof"
    assert sorted(path for path in (tmp_path / "root" / "models").rglob("*")) == before


def test_model_without_a_version_cannot_be_drilled(project: Path, prefect_harness: None) -> None:
    with pytest.raises(DefinitionError, match="has no version to drill yet"):
        drill("flight-delay")
