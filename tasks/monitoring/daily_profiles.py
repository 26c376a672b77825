"""What served rows look like, stretch by stretch (mostly days): a profile and counts that add up.

Stretches that are over are kept under `monitoring/NAME/stretches/`, named by the files that they
were read from: a late part makes another one. Owns that cache. Refuses to compare and to judge.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
import polars as pl

from tasks.alarms.detector import Calibration
from tasks.alarms.drift_decision import start_of, watch_served
from tasks.alarms.histograms import REPEATED, Window, count_window, join_windows
from tasks.analysis.profile import Profile, from_bytes, merge, profile_table, to_bytes
from tasks.core.columns import FILE, LOGGED_PREDICTION, PREDICTION, START, TIME
from tasks.core.definition import Definition
from tasks.features.transform import Features
from tasks.monitoring.prediction_log import LoggedPredictions, add_moment
from tasks.storage.store import Store, reaching

_MOMENT = pl.Datetime("us", "UTC")
_WORTH = 5_000  # rows: reading back a profile of fewer takes as long as making it


class Place(NamedTuple):
    """Where a stretch's rows are."""

    start: datetime
    files: list[str]
    rows: int


@dataclass(frozen=True)
class StretchProfile:
    """Rows of one version whose moments lie after `start`, up to the next stretch's."""

    start: datetime
    rows: int
    profile: Profile
    counts: Window | None


@dataclass(frozen=True)
class Sketcher:
    """All that sketching a version's rows takes; `features` are those that the log can give."""

    store: Store
    version: str
    definition: Definition
    features: Features
    calibration: Calibration | None
    length: timedelta

    def sketch(
        self, log: LoggedPredictions, since: datetime, until: datetime
    ) -> list[StretchProfile]:
        """Sketch the stretches between two times. Those with few rows are put together at once."""
        if self.version not in log.files:
            return []
        found = self._find(log, since, until)
        large = [each for each in found if each.rows >= _WORTH]
        small = [each for each in found if each.rows < _WORTH]
        made = [self._recall(log, each, until) for each in large]
        return [*made, self._make(log, small, until)] if small else made

    def _find(self, log: LoggedPredictions, since: datetime, until: datetime) -> list[Place]:
        """Find which files hold rows of which stretch, and how many."""
        rows = self._between(log, start_of(since + timedelta(microseconds=1), self.length), until)
        grouped = rows.group_by(START).agg(pl.col(FILE).unique().sort(), pl.len()).sort(START)
        return [Place(*each) for each in grouped.collect().iter_rows()]

    def _between(self, log: LoggedPredictions, since: datetime, until: datetime) -> pl.LazyFrame:
        every = round(self.length.total_seconds() * 1e6)
        start = ((pl.col(TIME).dt.epoch("us") - 1) // every * every).cast(_MOMENT)
        rows = add_moment(self.definition, log.scan(self.version))
        inside = rows.filter(pl.col(TIME) > since, pl.col(TIME) <= until)
        return inside.with_columns(start.alias(START))

    def _recall(self, log: LoggedPredictions, place: Place, until: datetime) -> StretchProfile:
        over = place.start + self.length <= until
        path = self._path(place.start, place.files) if over else ""
        kept = _read(self.store, path) if path else None
        if kept is not None:
            return kept
        made = self._make(log, [place], until)
        if path:
            _keep(self.store, path, made)
        return made

    def _make(
        self, log: LoggedPredictions, places: Sequence[Place], until: datetime
    ) -> StretchProfile:
        files = sorted({file for each in places for file in each.files})
        starts = [each.start for each in places]
        some = log.only(self.version, files)
        rows = self._between(some, starts[0], until).filter(pl.col(START).is_in(starts))
        frame = rows.drop(FILE, START).rename({LOGGED_PREDICTION: PREDICTION}).collect()
        watched = watch_served(self.definition, self.features, frame)
        counts = None
        if self.calibration is not None:
            counts = count_window(self.calibration.gauges, watched)
        profile = profile_table(watched.drop(TIME, REPEATED).lazy())
        return StretchProfile(starts[0], len(frame), profile, counts)

    def _path(self, start: datetime, files: Sequence[str]) -> str:
        """Name a stretch by all that it is made of; nothing where a file is not kept."""
        kept = f"{self.store.root}/monitoring/"
        if not all(name.startswith(kept) for name in files):
            return ""
        made_of = [self.version, *(name.removeprefix(kept) for name in files)]
        made_of.append(self.calibration.model_dump_json() if self.calibration else "")
        digest = hashlib.sha256("\n".join(made_of).encode()).hexdigest()[:16]
        model = self.definition.name
        return f"monitoring/{model}/stretches/{start:%Y-%m-%d}/{start:%H%M}-{digest}"


def join_stretches(stretches: Sequence[StretchProfile]) -> tuple[Profile, Window | None]:
    """Put stretches together: the merged profile, and the counts where there are any."""
    counts = [each.counts for each in stretches if each.counts is not None]
    whole = join_windows(counts) if len(counts) == len(stretches) else None
    return merge([each.profile for each in stretches]), whole


def forget_stretches(store: Store, model: str, oldest: datetime) -> None:
    with reaching(store.root):
        for day in store.children(f"monitoring/{model}/stretches"):
            if day < f"{oldest:%Y-%m-%d}":
                store.remove(f"monitoring/{model}/stretches/{day}")


def _keep(store: Store, path: str, made: StretchProfile) -> None:
    """Keep a stretch: its profile last, for without it the stretch does not exist."""
    counts = None
    if made.counts is not None:
        counts = {
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


def _read(store: Store, path: str) -> StretchProfile | None:
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
    start = datetime.fromisoformat(head["start"])
    return StretchProfile(start, head["rows"], from_bytes(found[path + ".profile"]), window or None)
