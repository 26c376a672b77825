"""The evidence: raw rows of two windows, and the alarm that can be asked of them again.

Responsible for asking only what hangs on a column, and for a raw column's bins. Not responsible for
what may have become of the rows (`root_cause`).
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from tasks.alarms.calibration import Calibration, score_signs
from tasks.alarms.distances import DistanceKey
from tasks.alarms.histograms import (
    FIRST,
    HOUR,
    MISSING,
    REPEATED,
    UNSEEN,
    Window,
    count_window,
    find_places,
    make_gauges,
    watch_columns,
)
from tasks.causes.onset import Array, Places
from tasks.core.columns import PREDICTION, TIME
from tasks.core.definition import Definition
from tasks.core.sql import is_text
from tasks.features.transform import Features

Predict = Callable[[pl.DataFrame], pl.Series]


@dataclass(frozen=True)
class Evidence:
    """Raw rows in the order of their `TIME`; the window that rang is those after `begins`.

    They may be a sample: a row stands for as many as `weights` say, before and in the window.
    `predict` gives the answers to rows, where they can be asked for again.
    """

    definition: Definition
    features: Features
    calibration: Calibration
    rows: pl.DataFrame
    begins: datetime
    weights: tuple[float, float] = (1.0, 1.0)
    predict: Predict | None = None

    def score(self, rows: pl.DataFrame, watched: Collection[str]) -> dict[DistanceKey, float]:
        """Score the signs of some watched columns: above 1 they ring."""
        asked = self._only(watched)
        names = {gauge.column for gauge in asked.gauges}
        kept = {name: said for name, said in self.features.expressions.items() if name in names}
        features = self.features.model_copy(update={"expressions": kept})
        frame = rows if PREDICTION in names else rows.drop(PREDICTION, strict=False)
        counted = [
            self._count(asked, features, frame.filter(side), weight)
            for side, weight in zip(
                (pl.col(TIME) <= self.begins, pl.col(TIME) > self.begins), self.weights, strict=True
            )
        ]
        return score_signs(asked, counted[0], counted[1])

    def list_dependents(self, name: str) -> set[str]:
        """List what is watched and hangs on a raw column."""
        watched = {gauge.column for gauge in self.calibration.gauges}
        made = {
            feature
            for feature in self.features.expressions
            if name in self.features.expression(feature).meta.root_names()
        }
        return (made | {HOUR + name}) & watched

    def list_columns(self) -> list[str]:
        """List the raw columns that are watched, the time too, and that can be compared."""
        time = self.definition.extract.time
        names = dict.fromkeys([*self.features.columns, *([time] if time else [])])
        schema = self.rows.schema
        return [
            name
            for name in names
            if name in schema
            and (
                schema[name].is_numeric()
                or is_text(schema[name])
                or schema[name] == pl.Boolean
                or isinstance(schema[name], pl.Datetime)
            )
        ]

    def list_known(self, name: str, rows: pl.DataFrame) -> Array:
        """List the numbers that rows or, where the column itself is watched, history held."""
        if not rows.schema[name].is_numeric():
            return np.array([])
        held = {
            gauge.column: gauge.steps
            for gauge in self.calibration.gauges
            if gauge.column in self.features.expressions
        }
        plain = [
            steps
            for feature, steps in held.items()
            if (said := self.features.expression(feature).meta).is_column()
            and said.root_names() == [name]
        ]
        values = rows[name].cast(pl.Float64).drop_nulls().to_numpy()
        known = np.unique(np.concatenate([values, *map(np.array, plain)]))
        return np.asarray(known[np.isfinite(known)])

    def find_bins(self, rows: pl.DataFrame, name: str) -> Places:
        """Give each row the bin of its raw value; hours for times, one bin for what is new."""
        column = rows[name]
        if isinstance(column.dtype, pl.Datetime):
            hours = column.dt.hour().cast(pl.Int64) + FIRST
            return hours.fill_null(MISSING).to_numpy()
        if is_text(column.dtype):
            column = column.cast(pl.String)
        usual = column.filter(rows[TIME] <= self.begins)
        gauges = make_gauges(
            pl.DataFrame([usual]).with_columns(pl.lit(None).alias(TIME), REPEATED_NOT), {}
        )
        if not gauges:
            return np.where(column.is_null().to_numpy(), MISSING, FIRST)
        bins, unseen = find_places(gauges[0], column)
        return np.where(unseen, UNSEEN, bins)

    def _only(self, watched: Collection[str]) -> Calibration:
        gauges = tuple(each for each in self.calibration.gauges if each.column in watched)
        limits = tuple(each for each in self.calibration.limits if each.column in watched)
        return self.calibration.model_copy(update={"gauges": gauges, "limits": limits})

    def _count(
        self, asked: Calibration, features: Features, rows: pl.DataFrame, weight: float
    ) -> Window:
        watched = watch_columns(self.definition, features, rows).with_columns(REPEATED_NOT)
        counted = count_window(asked.gauges, watched)
        columns = {name: counts * weight for name, counts in counted.columns.items()}
        return Window(counted.rows * weight, counted.repeated * weight, columns)


REPEATED_NOT = pl.lit(False).alias(REPEATED)  # a served row may be asked about twice


def measure_distance(bins: Places, now: Places) -> float:
    """Measure the Hellinger distance of two sets of rows, each by its bins."""
    size = int(max(bins.max(initial=0), now.max(initial=0))) + 1
    one, other = (np.bincount(each, minlength=size) / max(len(each), 1) for each in (bins, now))
    return float(np.sqrt(max(0.0, 1 - np.sqrt(one * other).sum())))
