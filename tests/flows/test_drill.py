"""The drill on a real version: each fault meets its guard, and what is sound meets none."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from flows import cli
from flows.drill import choose_version, drill, say_drill
from tasks.core.errors import DefinitionError
from tasks.storage.store import open_store

if TYPE_CHECKING:
    from conftest import Released

REPOSITORY = Path(__file__).parents[2]
FLIGHTS = REPOSITORY / "data" / "nycflights13"
Retrain = Callable[..., dict[str, Any]]


@pytest.fixture
def many_flights(project: Path) -> None:
    """Put every sixth flight of eight months into the project: alarms need rows to be sure."""
    flights = pl.read_parquet(FLIGHTS / "flights-*.parquet").filter(pl.col("month") <= 8)
    data = project / "data" / "nycflights13"
    for file in data.glob("flights-*"):
        file.unlink()
    listed = pl.col("carrier").cast(pl.Categorical)
    flights.gather_every(6).with_columns(listed).write_parquet(data / "flights-2013.parquet")


def test_each_fault_is_caught_by_the_guard_that_a_run_would_meet(
    many_flights: None,
    retrain: Retrain,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    retrain()
    capfd.readouterr()
    before = sorted(path for path in (tmp_path / "root" / "models").rglob("*"))
    monkeypatch.setattr(sys, "argv", ["perennial", "drill", "flight-delay", "--json"])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    found = json.loads(capfd.readouterr().out)
    guards = {each["fault"]: each["guard"] for each in found["faults"]}
    assert found["false_alarms"] == []
    assert found["passed"], [each for each in found["faults"] if not each["caught"]]
    assert stopped.value.code == 0
    assert guards["duplicated rows"] == guards["missing partition"] == "data contract"
    assert guards["shuffled labels"] == guards["candidate made worse"] == "gate"
    assert guards["missing approval"] == "ledger"
    assert guards["forged chain"] == guards["other signer"] == "signers"
    assert (guards["edited report"], guards["truncated chain"]) == ("manifest", "memory")
    assert (guards["planted bento"], guards["bento with another model"]) == ("release", "proof")
    details = {each["fault"]: each["detail"] for each in found["faults"]}
    assert "service.py differs; find out who put it there" in details["planted bento"]
    assert sorted(path for path in (tmp_path / "root" / "models").rglob("*")) == before


def test_model_without_a_version_cannot_be_drilled(project: Path, prefect_harness: None) -> None:
    with pytest.raises(DefinitionError, match="has no version to drill yet"):
        drill("flight-delay")


def test_champion_is_drilled_rather_than_a_newer_candidate(released: "Released") -> None:
    assert choose_version(open_store(), "flight-delay").version == released.older


def test_version_whose_snapshot_is_gone_cannot_be_drilled(released: "Released") -> None:
    shutil.rmtree(released.root / "snapshots")
    with pytest.raises(DefinitionError, match="its snapshot is gone; retrain, then drill that"):
        drill("flight-delay")


def test_last_word_names_what_was_missed() -> None:
    faults = [{"fault": "forged chain", "caught": True}, {"fault": "odd unit", "caught": False}]
    done: dict[str, Any] = {"faults": faults, "caught": 1, "false_alarms": [{}], "passed": False}
    said = "1 of 2 faults caught, 1 false alarms; missed: odd unit"
    assert say_drill(done) == ("FAILED", said)
    sound = {"faults": faults[:1], "caught": 1, "false_alarms": [], "passed": True}
    assert say_drill(sound) == ("passed", "1 of 1 faults caught")
