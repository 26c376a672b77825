"""Drift of served rows: how the last window looks, compared with what the champion learned from.

Served rows are profiled and counted in chunks (mostly days). Chunks that are over are kept under
`monitoring/NAME/stretches/`, named by the log files they were read from, so that a late file gives
another one. Not responsible for when drift is an alarm (`alarms/drift_decision`).
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
import polars as pl
from pydantic import Field

from tasks.alarms.calibration import Calibration
from tasks.alarms.drift_decision import (
    Alarm,
    ComparisonWindow,
    DriftDecision,
    decide,
    last_window,
    start_of,
    watch_served,
)
from tasks.alarms.histograms import REPEATED, Window, count_window, join_windows
from tasks.analysis.profile import Profile, from_bytes, merge, profile_table, to_bytes
from tasks.analysis.profile_drift import ColumnDrift, measure_drift
from tasks.causes.root_cause import RootCause
from tasks.core.columns import FILE, START, TIME
from tasks.core.definition import Definition, Frozen
from tasks.features.transform import Features
from tasks.monitoring.base_rate import plain_answers
from tasks.monitoring.context import MonitoringContext, ServedRows
from tasks.monitoring.prediction_log import LoggedPredictions, add_moment
from tasks.monitoring.reference import ChampionReference, watchable
from tasks.storage.store import Store, reaching

_NAMED = 3
_MOMENT = pl.Datetime("us", "UTC")
_WORTH = 5_000  # rows: fewer are profiled as fast as a kept profile is read


class ServedDrift(Frozen):
    """How features and predictions of the last window differ from what the champion learned from.

    `weights` is the importance of each feature; `moved` is the mean Hellinger distance, so
    weighted. `problem` says why there is no comparison, or no alarm yet.
    """

    rows: int = 0
    recent_rows: int = 0
    columns: tuple[ColumnDrift, ...] = ()
    weights: dict[str, float] = Field(default_factory=dict)
    moved: float | None = None
    alarms: tuple[Alarm, ...] = ()
    causes: tuple[RootCause, ...] = ()
    new_levels: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    problem: str = ""


def watch_drift(
    watch: MonitoringContext, asked: ServedRows, reference: ChampionReference | str, store: Store
) -> ServedDrift:
    """Compare the last window with what the champion learned from, and with the windows before.

    A `reference` of text says why there is none; then nothing is compared.
    """
    if isinstance(reference, str) or watch.version not in asked.rows:
        nothing = "nothing was asked of the champion"
        return ServedDrift(problem=reference if isinstance(reference, str) else nothing)
    definition, features = watch.definition, watchable(watch.champion)
    calibration, compared = reference.calibration(), last_window(asked.until, watch.window)
    profiler = ChunkProfiler(
        store, watch.version, definition, features, calibration, compared.length
    )
    now = profiler.profile(asked.log, compared.begins, compared.until)
    before = profiler.profile(asked.log, compared.since, compared.begins)
    if not now:
        return ServedDrift(problem="nothing was asked of the champion in the last window")
    decided = _decide(definition, calibration, compared, before, now)
    history, weights = reference.profile(), reference.importance()
    profile = merge([each.profile for each in now])
    columns = tuple(measure_drift(history, profile))
    return ServedDrift(
        rows=sum(each.rows for each in now),
        recent_rows=sum(each.rows for each in before),
        columns=columns,
        weights=weights,
        moved=sum(weights.get(each.column, 0.0) * (each.hellinger or 0.0) for each in columns),
        alarms=decided.alarms,
        new_levels=find_new_levels(history, profile),
        problem=decided.problem,
    )


def find_new_levels(history: Profile, profile: Profile) -> dict[str, tuple[str, ...]]:
    """Name the most frequent levels of each category that history does not know."""
    found = {}
    for name, column in profile.columns.items():
        if name in history.columns and column.facts.kind == "category":
            new = column.levels.keys() - history.columns[name].levels.keys()
            found[name] = tuple(sorted(new, key=column.levels.__getitem__, reverse=True)[:_NAMED])
    return {name: levels for name, levels in found.items() if levels}


class _Place(NamedTuple):
    """The log files that hold rows of a chunk."""

    start: datetime
    files: list[str]
    rows: int


@dataclass(frozen=True)
class ChunkProfile:
    """The profile and counts of one version's rows after `start`, up to the next chunk."""

    start: datetime
    rows: int
    profile: Profile
    counts: Window | None


@dataclass(frozen=True)
class ChunkProfiler:
    """Profiles a version's rows, chunk by chunk; `features` are those that the log can give."""

    store: Store
    version: str
    definition: Definition
    features: Features
    calibration: Calibration | None
    length: timedelta

    def profile(
        self, log: LoggedPredictions, since: datetime, until: datetime
    ) -> list[ChunkProfile]:
        """Profile the chunks between two times. Those with few rows are put together at once."""
        if self.version not in log.files:
            return []
        found = self._find(log, since, until)
        large = [each for each in found if each.rows >= _WORTH]
        small = [each for each in found if each.rows < _WORTH]
        made = [self._recall(log, each, until) for each in large]
        return [*made, self._make(log, small, until)] if small else made

    def _find(self, log: LoggedPredictions, since: datetime, until: datetime) -> list[_Place]:
        rows = self._between(log, start_of(since + timedelta(microseconds=1), self.length), until)
        grouped = rows.group_by(START).agg(pl.col(FILE).unique().sort(), pl.len()).sort(START)
        return [_Place(*each) for each in grouped.collect().iter_rows()]

    def _between(self, log: LoggedPredictions, since: datetime, until: datetime) -> pl.LazyFrame:
        every = round(self.length.total_seconds() * 1e6)
        start = ((pl.col(TIME).dt.epoch("us") - 1) // every * every).cast(_MOMENT)
        rows = add_moment(self.definition, log.scan(self.version))
        inside = rows.filter(pl.col(TIME) > since, pl.col(TIME) <= until)
        return inside.with_columns(start.alias(START))

    def _recall(self, log: LoggedPredictions, place: _Place, until: datetime) -> ChunkProfile:
        over = place.start + self.length <= until
        path = self._path(place.start, place.files) if over else ""
        if path and (kept := _read(self.store, path)):
            return kept
        made = self._make(log, [place], until)
        if path:
            _keep(self.store, path, made)
        return made

    def _make(
        self, log: LoggedPredictions, places: Sequence[_Place], until: datetime
    ) -> ChunkProfile:
        files = sorted({file for each in places for file in each.files})
        starts = [each.start for each in places]
        some = log.only(self.version, files)
        rows = self._between(some, starts[0], until).filter(pl.col(START).is_in(starts))
        frame = plain_answers(self.store, self.definition, rows.drop(FILE, START).collect())
        watched = watch_served(self.definition, self.features, frame)
        counts = count_window(self.calibration.gauges, watched) if self.calibration else None
        profile = profile_table(watched.drop(TIME, REPEATED).lazy())
        return ChunkProfile(starts[0], len(frame), profile, counts)

    def _path(self, start: datetime, files: Sequence[str]) -> str:
        """Name a chunk by all that it is made of; nothing where a file is not kept."""
        kept = f"{self.store.root}/monitoring/"
        if not all(name.startswith(kept) for name in files):
            return ""
        made_of = [self.version, *(name.removeprefix(kept) for name in files)]
        made_of.append(self.calibration.model_dump_json() if self.calibration else "")
        digest = hashlib.sha256("\n".join(made_of).encode()).hexdigest()[:16]
        model = self.definition.name
        return f"monitoring/{model}/stretches/{start:%Y-%m-%d}/{start:%H%M}-{digest}"


def _decide(
    definition: Definition,
    calibration: Calibration | None,
    compared: ComparisonWindow,
    before: Sequence[ChunkProfile],
    now: Sequence[ChunkProfile],
) -> DriftDecision:
    if calibration is None:
        no_time = "rows carry no time, so that there is no history to set alarms by"
        return DriftDecision(problem=no_time)
    recent, window = (
        join_windows([each.counts for each in chunks if each.counts is not None])
        if chunks
        else None
        for chunks in (before, now)
    )
    assert window is not None
    first = min(each.start for each in (*before, *now))
    return decide(definition, calibration, compared, first, recent, window)


def _keep(store: Store, path: str, made: ChunkProfile) -> None:
    """Keep a chunk: its profile last, for without it the chunk does not exist."""
    counts = made.counts and {
        "rows": made.counts.rows.tolist(),
        "repeated": made.counts.repeated.tolist(),
        "columns": {name: each.tolist() for name, each in made.counts.columns.items()},
    }
    head = json.dumps({"start": made.start.isoformat(), "rows": made.rows, "counts": counts})
    with reaching(store.root):
        for ending, data in ((".json", head.encode()), (".profile", to_bytes(made.profile))):
            try:
                store.create(path + ending, data)
            except FileExistsError:
                continue  # a run before was killed in between, or another one is as far


def _read(store: Store, path: str) -> ChunkProfile | None:
    with reaching(store.root):
        found = store.read_many([path + ".json", path + ".profile"])
    if len(found) < 2:
        return None
    head = json.loads(found[path + ".json"])
    counts = head["counts"]
    window = counts and Window(
        np.array(counts["rows"]),
        np.array(counts["repeated"]),
        {name: np.array(each) for name, each in counts["columns"].items()},
    )
    profile = from_bytes(found[path + ".profile"])
    return ChunkProfile(
        datetime.fromisoformat(head["start"]), head["rows"], profile, window or None
    )
