"""Histograms of rows, in chunks of time (mostly days) that add up to windows.

Responsible for which columns are watched and how each is counted: numbers in fixed bins, text by
level, times by the hour of the day. Counts are plain vectors, so that a year of days is resampled
by arithmetic. Not responsible for comparing them (`distances`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from tasks.core.columns import PREDICTION, TIME
from tasks.core.definition import Definition, Frozen
from tasks.features.transform import Features, feature_expressions

Counts = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]

REPEATED = "repeated rows"
RECENT = 4  # windows that one is compared with, and that quality is judged on: one is too short
HOUR = "hour of "
_CUTS = 64  # inside a number's history
_BEYOND = (0.5, 1, 2, 4, 8, 16, 32, 64, 128)  # cuts outside of it, in widths of the history
_TAIL = 0.001  # of the history at each end says nothing of its width
_LEVELS = 100
_STEPS, _STEP_ROWS = 2_000, 20  # more values, or rarer ones, are no steps
MISSING, UNSEEN, FIRST = range(3)  # a column's first places; then come its bins


class Gauge(Frozen):
    """How one column is counted. `weight` is its share of what the model's predictions come from.

    Counts are first of the missing, then of values that history never saw (levels, or numbers off
    the `steps` in which a column is measured), then of all values by bin. A category's first bin
    holds what has no bin of its own.
    """

    column: str
    kind: Literal["number", "category", "hour"]
    weight: float = 0.0
    cuts: tuple[float, ...] = ()
    steps: tuple[float, ...] = ()
    levels: tuple[str, ...] = ()
    rare: tuple[str, ...] = ()

    @property
    def places(self) -> int:
        sizes = {"number": len(self.cuts) + 1, "category": 1 + len(self.levels), "hour": 24}
        return FIRST + sizes[self.kind]

    @property
    def middles(self) -> Counts:
        """Give each bin of numbers a value to stand for it: its middle, or its only end."""
        cuts = np.array(self.cuts)
        return np.concatenate([cuts[:1], (cuts[1:] + cuts[:-1]) / 2, cuts[-1:]])


@dataclass(frozen=True)
class Window:
    """Counts of chunks that follow each other.

    `rows` and `repeated` (rows beyond the first of one key) have shape (chunks,), the counts of
    each column (chunks, places).
    """

    rows: Counts
    repeated: Counts
    columns: dict[str, Counts]

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, places: slice | Places) -> "Window":
        columns = {name: counts[places] for name, counts in self.columns.items()}
        return Window(self.rows[places], self.repeated[places], columns)

    def total(self) -> "Window":
        """Add all chunks up to a single one."""
        columns = {name: counts.sum(axis=0)[None] for name, counts in self.columns.items()}
        return Window(self.rows.sum()[None], self.repeated.sum()[None], columns)


def join_windows(windows: Sequence[Window]) -> Window:
    """Put chunks one after the other."""
    names = windows[0].columns
    return Window(
        np.concatenate([each.rows for each in windows]),
        np.concatenate([each.repeated for each in windows]),
        {name: np.concatenate([each.columns[name] for each in windows]) for name in names},
    )


def watch_columns(definition: Definition, features: Features, frame: pl.DataFrame) -> pl.DataFrame:
    """Compute the watched columns: features, hours of times, predictions and repeated keys.

    `frame` is raw rows with their event time (`TIME`) and, where there is one, a `PREDICTION`: a
    number, the probability of each class (the largest is watched) or quantiles (the middle one).
    """
    clock = [definition.extract.time] if definition.extract.time else []
    times = [
        name
        for name in dict.fromkeys([*features.columns, *clock])
        if isinstance(frame.schema.get(name), pl.Datetime)
    ]
    hours = [pl.col(name).dt.hour().cast(pl.Int16).alias(HOUR + name) for name in times]
    key = [name for name in definition.extract.key if name in frame.columns]
    raw = [name for name in frame.columns if name != PREDICTION]
    again = ~pl.struct(key or raw).is_first_distinct()
    predicted = []
    if PREDICTION in frame.columns:
        column, dtype = pl.col(PREDICTION), frame.schema[PREDICTION]
        place = definition.pinball and definition.pinball.middle
        several = column.list.max() if place is None else column.list.get(place, null_on_oob=True)
        predicted = [several if isinstance(dtype, pl.List) else column]
    return frame.select(
        pl.col(TIME), again.alias(REPEATED), *feature_expressions(features), *hours, *predicted
    )


def make_gauges(watched: pl.DataFrame, weights: Mapping[str, float]) -> tuple[Gauge, ...]:
    """Choose the bins of each column from a history of watched rows."""
    return tuple(
        _make_gauge(column, weights.get(column.name, 0.0))
        for column in watched.drop(TIME, REPEATED)
        if column.len() > column.null_count()
    )


def _make_gauge(column: pl.Series, weight: float) -> Gauge:
    name = column.name
    if name.startswith(HOUR):
        return Gauge(column=name, kind="hour", weight=weight)
    if column.dtype == pl.String:
        counts = column.drop_nulls().value_counts()
        levels = counts.sort(["count", name], descending=[True, False])[name].to_list()
        kept, rare = tuple(levels[:_LEVELS]), tuple(levels[_LEVELS:])
        return Gauge(column=name, kind="category", weight=weight, levels=kept, rare=rare)
    numbers = column.cast(pl.Float64).drop_nulls()
    finite = numbers.filter(numbers.is_finite()).to_numpy()
    values = np.unique(finite)
    stepped = len(values) <= min(_STEPS, len(finite) / _STEP_ROWS)
    return Gauge(
        column=name,
        kind="number",
        weight=weight,
        cuts=_make_cuts(finite),
        steps=tuple(values.tolist()) if stepped else (),
    )


def _make_cuts(values: Counts) -> tuple[float, ...]:
    """Cut a number's history into about equal parts, and what lies outside ever more widely.

    A value that fills several parts gets a bin of its own.
    """
    if not len(values):
        return (0.0,)
    shares = np.linspace(0, 1, _CUTS)
    inside, repeats = np.unique(np.quantile(values, shares, method="lower"), return_counts=True)
    low, high = np.quantile(values, [_TAIL, 1 - _TAIL])
    width = float(high - low) or abs(float(high)) or 1.0
    outside = np.outer([-1, 1], _BEYOND) * width + np.array([[low], [high]])
    beyond = outside[(outside < inside[0]) | (outside > inside[-1])]
    alone = np.nextafter([inside[0], *inside[repeats > 1]], -np.inf)
    return tuple(np.unique(np.concatenate([beyond, alone, inside])).tolist())


def count_chunks(gauges: Sequence[Gauge], watched: pl.DataFrame, length: timedelta) -> Window:
    """Count watched rows in chunks of equal length, the last of which ends with the last row."""
    places = _place_rows(watched, length)
    return _count(gauges, watched, places, int(places.max(initial=-1)) + 1)


def count_history(
    gauges: Sequence[Gauge], watched: pl.DataFrame, length: timedelta, window: int
) -> Window:
    """Count the rows that gauges were made from, in chunks.

    Values that lie within one window only were never seen by the rest of history: they are counted
    as unseen, or nothing new would ever be usual. A history of hardly more than a window has no
    rest.
    """
    places, counted = _place_rows(watched, length), count_chunks(gauges, watched, length)
    for gauge in gauges if len(counted) > 2 * window else ():
        if gauge.steps or gauge.kind == "category":
            lonely = _find_lonely(watched[gauge.column], places, window)
            counts = np.bincount(places, weights=lonely, minlength=len(counted))
            counted.columns[gauge.column][:, UNSEEN] = counts
    return counted


def count_window(gauges: Sequence[Gauge], watched: pl.DataFrame) -> Window:
    """Count watched rows as one chunk."""
    return _count(gauges, watched, np.zeros(len(watched), dtype=np.int64), 1)


def _place_rows(watched: pl.DataFrame, length: timedelta) -> Places:
    moments = watched[TIME].dt.epoch("us").to_numpy()
    ago = (moments.max(initial=0) - moments) // round(length.total_seconds() * 1e6)
    return np.asarray(ago.max(initial=0) - ago)


def _find_lonely(column: pl.Series, places: Places, window: int) -> npt.NDArray[np.bool_]:
    """Tell which rows hold a value that only one window's length of history holds."""
    seen = pl.DataFrame({"value": column, "place": places})
    spread = (pl.col("place").max() - pl.col("place").min()).over("value")
    lonely = (spread < window) & pl.col("value").is_not_null()
    return seen.select(lonely).to_series().to_numpy()


def _count(gauges: Sequence[Gauge], watched: pl.DataFrame, place: Places, chunks: int) -> Window:
    columns, repeated = {}, watched[REPEATED].cast(pl.Float64).to_numpy()
    for gauge in gauges:
        bins, unseen = find_places(gauge, watched[gauge.column])
        width = gauge.places
        counted = np.bincount(place * width + bins, minlength=chunks * width)
        columns[gauge.column] = counted.reshape(chunks, width).astype(np.float64)
        columns[gauge.column][:, UNSEEN] = np.bincount(place, weights=unseen, minlength=chunks)
    return Window(
        np.bincount(place, minlength=chunks).astype(np.float64),
        np.bincount(place, weights=repeated, minlength=chunks).astype(np.float64),
        columns,
    )


def find_places(gauge: Gauge, column: pl.Series) -> tuple[Places, npt.NDArray[np.bool_]]:
    """Give each row its place among a column's counts, and whether its value was never seen."""
    if gauge.kind == "category":
        known = dict.fromkeys(gauge.rare, FIRST)
        known |= {level: place for place, level in enumerate(gauge.levels, FIRST + 1)}
        names = pl.Series(list(known), dtype=pl.String)
        places = pl.Series(list(known.values()), dtype=pl.Int64)
        found = column.cast(pl.String).replace_strict(names, places, default=UNSEEN)
        bins, missing = found.to_numpy(), column.is_null().to_numpy()
        unseen = (bins == UNSEEN) & ~missing
        return np.where(missing, MISSING, np.maximum(bins, FIRST)), unseen
    numbers = column.cast(pl.Float64).to_numpy()
    known_bins = range(24) if gauge.kind == "hour" else gauge.cuts
    bins = np.searchsorted(np.array(known_bins), numbers, side="left") + FIRST
    bins = np.where(np.isfinite(numbers), bins, MISSING)
    if not gauge.steps:
        return bins, np.zeros(len(numbers), dtype=bool)
    inside = (numbers >= gauge.steps[0]) & (numbers <= gauge.steps[-1])
    return bins, inside & ~np.isin(numbers, np.array(gauge.steps))
