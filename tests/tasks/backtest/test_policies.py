"""Policies decide by the monitor's own rule, and ask for a retrain where there is enough new."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tables import define

from tasks.alarms.drift_decision import last_window, list_ringing
from tasks.alarms.histograms import REPEATED, watch_columns
from tasks.alarms.thresholds import calibrate
from tasks.analysis.profile import profile_table, to_bytes
from tasks.backtest.policies import has_enough_new, look_for_drift, parse_policies
from tasks.core.columns import PREDICTION, TARGET, TIME
from tasks.core.definition import Definition, parse_definition
from tasks.core.errors import DefinitionError
from tasks.features.transform import Features, compile_features
from tasks.monitoring.context import MonitoringContext, ServedRows
from tasks.monitoring.drift import ServedDrift, watch_drift
from tasks.monitoring.prediction_log import read_log
from tasks.monitoring.reference import ChampionReference
from tasks.registry.versions import Published, publish
from tasks.storage.store import open_store
from tasks.training.published_model import PublishedModel

START, SERVED = datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 3, 1, tzinfo=UTC)
DAY, HOUR, TICK = timedelta(days=1), timedelta(hours=1), timedelta(microseconds=1)
MOVED = SERVED + 20 * DAY
ROWS, STEP = 24 * 90 * 4, timedelta(minutes=15)


class World:
    """A history that a champion learned from, what it answered after, and its monitor's log."""

    def __init__(self, folder: Path, window: str) -> None:
        random = np.random.default_rng(1)
        times = [START + n * STEP for n in range(ROWS)]
        far = np.array([time > MOVED for time in times])
        x = random.normal(size=ROWS) + 9 * far
        rows = pl.DataFrame({TIME: times, "x": x, PREDICTION: 0.5 + 0 * x}).with_columns(
            pl.col(TIME).cast(pl.Datetime("us", "UTC")), pl.col(TIME).alias("t")
        )
        text = define(
            extract='time = "t"',
            features='x = "x"',
            target='value = "x > 0"\nkind = "binary"',
            monitoring=f'window = "{window}"\nrows = 100',
        )
        self.folder, self.store = folder, open_store(str(folder / "root"))
        self.definition: Definition = parse_definition(text, "made.toml")
        self.features: Features = compile_features(self.definition, rows.schema, "made.toml")
        history = rows.filter(pl.col(TIME) <= SERVED)
        self.calibration = calibrate(self.definition, self.features, {"x": 1.0}, history)
        self.rows = rows.filter(pl.col(TIME) > SERVED)
        self.reference = self._reference(history)

    def _reference(self, history: pl.DataFrame) -> ChampionReference:
        watched = watch_columns(self.definition, self.features, history).drop(TIME, REPEATED)
        folder = self.folder / "reference"
        folder.mkdir()
        (folder / "calibration.json").write_text(self.calibration.model_dump_json())
        (folder / "history.profile").write_bytes(to_bytes(profile_table(watched.lazy())))
        (folder / "importance.json").write_text('{"x": 1.0}')
        return ChampionReference(
            self.store, publish(self.store, folder, "monitoring/made/champions/v1")
        )

    def log(self, since: datetime) -> None:
        for (day,), part in self.rows.filter(pl.col(TIME) > since).group_by(pl.col(TIME).dt.date()):
            folder = Path(self.store.root, f"predictions/made/date={day}/hour=00")
            folder.mkdir(parents=True)
            part.select(
                pl.col(TIME).alias("__time"),
                pl.lit("r").alias("__request"),
                pl.lit("v1").alias("__version"),
                pl.col(PREDICTION).alias("__prediction"),
                "x",
                "t",
            ).write_parquet(folder / "part.parquet")

    def monitor(self, until: datetime) -> ServedDrift:
        champion = PublishedModel.model_construct(
            published=Published.model_construct(path="models/made/v1", version="v1"),
            definition=self.definition,
            features=self.features,
        )
        watch = MonitoringContext.model_construct(definition=self.definition, champion=champion)
        work = self.folder / f"work-{until:%m%d%H%M%S%f}"
        work.mkdir(exist_ok=True)
        log = read_log(self.store, "made", START, until, work)
        asked = ServedRows(log=log, since=START, until=until, rows={"v1": 1})
        return watch_drift(watch, asked, self.reference, self.store)

    def backtest(self, since: datetime, until: datetime) -> tuple[object, ...]:
        served = self.rows.filter(pl.col(TIME) > since, pl.col(TIME) <= until)
        return look_for_drift(self.definition, self.features, self.calibration, served, until)


@pytest.mark.parametrize("window", ["7d", "60h"])
def test_backtest_and_monitor_decide_alike_on_the_same_days(tmp_path: Path, window: str) -> None:
    since = SERVED + 13 * HOUR
    world = World(tmp_path, window)
    world.log(since)
    length = world.definition.monitoring.window
    begun = last_window(since + length, length).until
    moments = [begun + n * 12 * HOUR - HOUR for n in range(-5, 2)]
    moments += [MOVED + n * 27 * HOUR for n in range(5)]
    moments += [MOVED + 3 * DAY - TICK, MOVED + 3 * DAY, MOVED + 3 * DAY + TICK]
    kinds = set()
    for until in moments:
        seen = world.monitor(until)
        assert world.backtest(since, until) == seen.alarms, until
        kinds |= {alarm.kind for alarm in seen.alarms} | {seen.problem}
    assert {"data-broken", ""} < kinds
    assert any("answered for less than a window" in each for each in kinds)


def test_what_looks_broken_is_told_alone(tmp_path: Path) -> None:
    world = World(tmp_path, "7d")
    alarms = world.backtest(SERVED, MOVED + 6 * DAY)
    assert {each.kind for each in alarms} == {"data-broken", "distribution-moved"}
    assert {each.kind for each in list_ringing(alarms)} == {"data-broken"}


def test_policies_are_named_once_and_known() -> None:
    assert parse_policies("drift, never,drift") == ("never", "drift")
    with pytest.raises(DefinitionError, match="there is no 'drifts'; did you mean 'drift'"):
        parse_policies("never,drifts")
    with pytest.raises(DefinitionError, match="name some of never"):
        parse_policies(" ,")


def test_a_retrain_needs_rows_to_learn_from() -> None:
    text = define(target='value = "y"\nkind = "binary"\nmatures_after = "1d"')
    definition = parse_definition(text, "made.toml")
    hundred_a_day = [START + timedelta(minutes=14.4 * place) for place in range(3_000)]
    history = pl.DataFrame({TIME: hundred_a_day, TARGET: 1.0})
    later = START + timedelta(days=12)
    assert has_enough_new(definition, 10_000, START, history, later)
    assert not has_enough_new(definition, 12_000, START, history, later)
    unlabelled = history.with_columns(pl.lit(None, pl.Float64).alias(TARGET))
    assert not has_enough_new(definition, 100, START, unlabelled, later)
