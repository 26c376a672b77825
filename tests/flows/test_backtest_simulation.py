"""Policies on a made-up past in which the world turns, falls silent, turns random and breaks."""

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tables import define, write_file

from tasks.backtest.replay import Retrain
from tasks.reports.backtest import list_retrains

START = datetime(2020, 1, 1)
SECTIONS = {
    "extract": 'time = "t"\nkey = ["id"]\nwindow = "40d"',
    "features": 'x = "x"\nz = "z"',
    "checks": 'rows = 50\nmax_silence = "60d"\nmax_age = "60d"',
    "checks.columns": "x = { nulls = 0.05 }",
    "training": 'threads = 1\nrounds = 10\nholdout = "12d"\nearly_stopping = 0',
    "monitoring": 'window = "7d"\nrows = 100\nnew_rows = 0.1\nfalse_alarms = 20',
}
TURNS, SILENT, SPEAKS, RANDOM, BREAKS, DAYS = 70, 112, 124, 126, 156, 182


def make_rows() -> pl.DataFrame:
    draw, rows = random.Random(1), []
    for hour in range(24 * DAYS):
        day, x, z = hour / 24, draw.random(), draw.random()
        y = (x + z > 1) != (draw.random() < 0.1)
        if day >= TURNS:
            y = (x > z) != (draw.random() < 0.3)
        if day >= RANDOM:
            y = draw.random() < 0.5
        if not SILENT <= day < SPEAKS:
            rows.append((hour, START + timedelta(hours=hour), x if day < BREAKS else None, z, y))
    schema = {
        "id": pl.Int64,
        "t": pl.Datetime("us"),
        "x": pl.Float64,
        "z": pl.Float64,
        "y": pl.Boolean,
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


@pytest.fixture
def done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefect_harness: None) -> dict[str, Any]:
    from flows.backtest import backtest

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PERENNIAL_ROOT", str(tmp_path / "root"))
    write_file(make_rows(), tmp_path / "s.parquet")
    (tmp_path / "made.toml").write_text(define(**SECTIONS))
    start, end = (START.replace(tzinfo=UTC) + timedelta(days=day) for day in (50, DAYS))
    return backtest("made.toml", start, end, "2w", "schedule,drift,quality")


def test_each_policy_meets_what_happened_in_its_own_way(done: dict[str, Any]) -> None:
    retrains = {name: track["retrains"] for name, track in done["policies"].items()}
    first = retrains["quality"][0]
    assert " of a quick model is better by " in first["reason"]
    assert first["as_of"] > f"{START + timedelta(days=TURNS):%Y-%m-%d}"
    refused = {each["refused"] for each in retrains["schedule"] if not each["promoted"]}
    assert any("'x'" in each for each in refused), refused  # nothing is learned from what is broken
    assert len(refused) > 1, refused  # nor from chance
    assert done["policies"]["drift"]["broken"] > 0
    assert "the data seemed broken" in Path(done["report"]).read_text()


def test_promotion_with_nothing_to_compare_it_by_has_no_gain() -> None:
    told = {"as_of": START, "reason": "it is time", "version": "v1", "seconds": 1.0}
    (row,) = list_retrains([Retrain(**told, promoted=True, refused="")])
    assert row[2:4] == ["promoted", "–"]
