"""A series is drafted with what was known of it by then, and passes its gate as it is."""

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from drafts import Draft

from flows.retrain import retrain
from tasks.core.columns import ROW
from tasks.extraction.snapshot import describe_snapshot, extract_snapshot
from tasks.init.propose import draft_definition
from tasks.sources.query import open_table


def temperatures(days: int, seed: int = 1) -> np.ndarray:
    """Make daily temperatures: a year's season, and a weather that lasts for days (AR(1))."""
    chance = np.random.default_rng(seed)
    weather = np.zeros(days)
    for day in range(1, days):
        weather[day] = 0.6 * weather[day - 1] + 2 * chance.normal()
    return np.asarray((11 - 6 * np.cos(2 * np.pi * np.arange(days) / 365.25) + weather).round(1))


def write(folder: Path, step: timedelta, values: Any, **others: Any) -> None:
    start = datetime(2015, 1, 1)
    times = [start + step * place for place in range(len(values))]
    rows = pl.DataFrame({"at": times, "temp": values, **others})
    rows.write_parquet(folder / "table.parquet")


def draft_text(folder: Path) -> str:
    found = draft_definition(
        "table.parquet", "temp", time=None, key=(), name="made", project=folder
    )
    return found[1]


def test_from_a_table_to_a_passed_gate_without_editing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PERENNIAL_ROOT", str(tmp_path / "root"))
    days = [date(2015, 1, 1) + timedelta(days=day) for day in range(3650)]
    pl.DataFrame({"day": days, "temp": temperatures(3650)}).write_csv("table.csv")
    _, text, _ = draft_definition(
        "table.csv", "temp", time=None, key=(), name="made", project=tmp_path
    )
    Path("made.toml").write_text(text)
    told = retrain("made.toml")
    assert told["verdict"] == "passed", told["checks"]
    naive = {each["name"]: each for each in told["checks"] if each["name"].startswith("beats '")}
    assert set(naive) == {f"beats 'same as last {name}'" for name in ("time", "week", "year")}
    assert all(each["numbers"]["low"] > 0 for each in naive.values())


def test_lags_are_what_was_known_by_then(draft: Draft, tmp_path: Path) -> None:
    values = temperatures(400)
    write(tmp_path, timedelta(days=1), values)
    definition, _ = draft("table.parquet", "temp", name="made")
    from flows.retrain import plan_retrain

    plan = plan_retrain(str(tmp_path / "made.toml"), None)
    table = open_table(definition, tmp_path)
    parts = extract_snapshot(plan, table, tmp_path / "snapshot")
    rows = describe_snapshot(plan, table, parts).scan().with_row_index(ROW).collect()
    assert rows["last"].to_list() == [None, *values[:-1]]
    assert rows["last_week"].to_list() == [None] * 7 + [*values[:-7]]
    mean = [float(np.mean(values[day - 7 : day])) for day in range(7, 400)]
    assert rows["mean_7"][7:].to_list() == pytest.approx(mean, abs=1e-9)


@pytest.mark.parametrize(
    ("step", "count", "lags"),
    [
        (timedelta(hours=1), 2000, ["last", "last_day", "last_week", "mean_24", "mean_168"]),
        (timedelta(days=7), 400, ["last", "last_year", "mean_7", "mean_28"]),
        (timedelta(minutes=15), 2000, ["last", "last_day", "mean_24", "mean_168"]),
    ],
)
def test_lags_fit_the_step_and_the_history(
    tmp_path: Path, step: timedelta, count: int, lags: list[str]
) -> None:
    write(tmp_path, step, temperatures(count))
    text = draft_text(tmp_path)
    found = [line[8:-1] for line in text.splitlines() if line.startswith("[tables.")]
    assert found == lags


def test_a_lag_takes_no_column_s_name(tmp_path: Path) -> None:
    write(tmp_path, timedelta(days=1), temperatures(400), Last=temperatures(400, 2))
    assert "[tables.known_last]" in draft_text(tmp_path)


@pytest.mark.parametrize(
    "changed",
    [
        {"others": {f"x{place}": temperatures(400, place + 10) for place in range(4)}},
        {"step": timedelta(0)},
        {"values": ["warm", "cold"] * 200},
        {"values": temperatures(100)},
    ],
    ids=["much else", "one moment", "no number", "few rows"],
)
def test_other_tables_get_no_lags(tmp_path: Path, changed: dict[str, Any]) -> None:
    values = changed.get("values", temperatures(400))
    write(tmp_path, changed.get("step", timedelta(days=1)), values, **changed.get("others", {}))
    if "step" in changed:
        rows = pl.read_parquet(tmp_path / "table.parquet")
        rows.with_columns(x=pl.Series(temperatures(400, 3))).write_parquet(
            tmp_path / "table.parquet"
        )
    assert "[tables." not in draft_text(tmp_path)
    assert "[gate.naive]" not in draft_text(tmp_path)
