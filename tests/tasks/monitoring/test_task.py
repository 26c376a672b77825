"""The monitor's steps where there is nothing to look at."""

from datetime import UTC, datetime

from tasks.monitoring.context import MonitoringContext, ServedRows
from tasks.monitoring.skew import Skew
from tasks.monitoring.task import measure_skewed, read_new_data
from tasks.registry.versions import Published
from tasks.training.published_model import PublishedModel

NOW = datetime(2020, 1, 8, tzinfo=UTC)


def test_sources_that_cannot_be_read_hold_nothing_new() -> None:
    watch = MonitoringContext.model_construct(problem="s.parquet is gone")
    assert read_new_data.fn(watch) is None


def test_champion_that_nobody_asked_has_no_skew() -> None:
    published = Published.model_construct(path="models/made/v1", version="v1")
    champion = PublishedModel.model_construct(published=published)
    watch = MonitoringContext.model_construct(champion=champion)
    served = ServedRows.model_construct(rows={"v0": 7}, until=NOW)
    assert measure_skewed.fn(watch, served) == Skew()
