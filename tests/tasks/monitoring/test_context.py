"""Whom the monitor looks at, as of when, and which rows of the log that takes in."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from tables import define

from tasks.core.columns import TIME
from tasks.core.definition import Definition, parse_definition
from tasks.core.errors import DefinitionError
from tasks.monitoring.context import MonitoringContext, ServedRows, settle_watch
from tasks.monitoring.prediction_log import LoggedPredictions

START = datetime(2020, 1, 1, tzinfo=UTC)


def test_model_without_champion_gives_its_definition_and_no_future_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PERENNIAL_ROOT", str(tmp_path / "root"))
    (tmp_path / "made.toml").write_text(define())
    found = settle_watch("made.toml", START)
    assert isinstance(found, Definition)
    assert found.name == "made"
    with pytest.raises(DefinitionError, match="--as-of 2999-01-01 00:00 UTC is in the future"):
        settle_watch("made.toml", datetime(2999, 1, 1))


def test_served_rows_are_those_after_one_time_up_to_another(tmp_path: Path) -> None:
    hours = [START + timedelta(hours=hour) for hour in range(48)]
    path = tmp_path / "log.parquet"
    pl.DataFrame({"__time": hours, "x": range(48)}).with_columns(
        pl.col("__time").cast(pl.Datetime("us", "UTC"))
    ).write_parquet(path)
    log = LoggedPredictions(files={"v1": (str(path),)}, rows={"v1": 48}, torn={})
    served = ServedRows(log=log, since=hours[10], until=hours[40], rows={"v1": 30})
    definition = parse_definition(define(extract='key = ["id"]'), "made.toml")
    watch = MonitoringContext.model_construct(definition=definition)
    rows = served.scan(watch, "v1").collect()
    assert (rows["x"].min(), rows["x"].max()) == (11, 40)
    assert rows[TIME].max() == hours[40]
    assert served.scan(watch, "v1", timedelta(hours=5)).collect()["x"].to_list() == [*range(36, 41)]
