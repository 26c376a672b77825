"""Faults of data and candidates, made on purpose, one at a time.

Not responsible for who should catch them: `data_guards` and `gate_guards` ask each guard.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta

import numpy as np
import polars as pl

from tasks.core.definition import Definition, Frozen
from tasks.core.sql import is_text
from tasks.evaluation.metrics import Array
from tasks.features.transform import Features

_FLOODED, _FANNED, _LATE = 0.6, 0.3, 0.7  # shares of rows
_CLOCK = timedelta(hours=5)


class Columns(Frozen):
    """Where a fault strikes: raw columns that features need, the most important ones first."""

    numbers: tuple[str, ...]
    texts: tuple[str, ...]
    time: str | None
    key: tuple[str, ...]


class DataFault(Frozen, arbitrary_types_allowed=True):
    """What happens to the newest rows; None where these rows cannot have that fault."""

    name: str
    strike: Callable[[pl.DataFrame, Columns], pl.DataFrame | None]


class CandidateFault(Frozen, arbitrary_types_allowed=True):
    """What happens to a candidate's predictions: numbers or probabilities, and a slice of rows.

    A `first` candidate has no champion that it could be held against.
    """

    name: str
    strike: Callable[[Array, Array], Array]
    first: bool = False


def find_columns(
    definition: Definition, features: Features, schema: pl.Schema, ranked: Sequence[str]
) -> Columns:
    """Rank the columns that a fault may strike by the features that are made of them."""
    needed = dict.fromkeys(
        column for feature in ranked for column in features.expression(feature).meta.root_names()
    )
    free = [name for name in needed if name not in definition.extract.key]
    return Columns(
        numbers=tuple(name for name in free if schema[name].is_numeric()),
        texts=tuple(name for name in needed if is_text(schema[name])),
        time=definition.extract.time,
        key=definition.extract.key,
    )


def _multiply(rows: pl.DataFrame, columns: Columns, place: int, by: float) -> pl.DataFrame | None:
    if len(columns.numbers) <= place:
        return None
    name = columns.numbers[place]
    return rows.with_columns((pl.col(name) * by).cast(rows.schema[name], strict=False))


def _shift_clock(rows: pl.DataFrame, columns: Columns) -> pl.DataFrame | None:
    if columns.time is None or not isinstance(rows.schema[columns.time], pl.Datetime):
        return None
    return rows.with_columns(pl.col(columns.time) - _CLOCK)


def _fan_out(rows: pl.DataFrame, columns: Columns) -> pl.DataFrame | None:
    """Repeat some rows with another value from the table that was joined."""
    again = rows.sample(fraction=_FANNED, seed=1)
    if columns.numbers:
        name = columns.numbers[0]
        again = again.with_columns(pl.col(name).shuffle(2))
    return pl.concat([rows, again])


def _flood(rows: pl.DataFrame, columns: Columns) -> pl.DataFrame | None:
    if not columns.numbers:
        return None
    kept = pl.int_range(pl.len()).hash(3) % 100 >= 100 * _FLOODED
    return rows.with_columns(pl.when(kept).then(pl.col(columns.numbers[0])))


def _rename_level(rows: pl.DataFrame, columns: Columns) -> pl.DataFrame | None:
    if not columns.texts:
        return None
    name = columns.texts[0]
    level = rows[name].drop_nulls().value_counts(sort=True)[name][0]
    return rows.with_columns(pl.col(name).cast(pl.String).replace(level, f"{level} (new)"))


def _swap(rows: pl.DataFrame, columns: Columns) -> pl.DataFrame | None:
    if len(columns.numbers) < 2:
        return None
    one, other = columns.numbers[:2]
    return rows.with_columns(
        pl.col(other).cast(rows.schema[one], strict=False).alias(one),
        pl.col(one).cast(rows.schema[other], strict=False).alias(other),
    )


def _repeat(rows: pl.DataFrame, columns: Columns) -> pl.DataFrame | None:
    return pl.concat([rows, rows])


DATA_FAULTS = (
    DataFault(name="unit ×100", strike=lambda rows, at: _multiply(rows, at, 0, 100)),
    DataFault(name="inch → cm", strike=lambda rows, at: _multiply(rows, at, 1, 2.54)),
    DataFault(name="clock off by hours", strike=_shift_clock),
    DataFault(name="join fan-out", strike=_fan_out),
    DataFault(name="null flood", strike=_flood),
    DataFault(name="renamed category", strike=_rename_level),
    DataFault(name="swapped columns", strike=_swap),
    DataFault(name="duplicated rows", strike=_repeat),
)


def _spoil(predicted: Array, inside: Array) -> Array:
    """Mix every other prediction up with another row's."""
    spoiled = predicted.copy()
    spoiled[::2] = np.random.default_rng(1).permutation(spoiled[::2])
    return spoiled


def _exaggerate(predicted: Array, inside: Array) -> Array:
    """Keep the order, and lose the measure: probabilities too high, or values twice as large."""
    if predicted.min() >= 0 and predicted.max() <= 1:
        spoiled = np.sqrt(predicted)
        return spoiled / spoiled.sum(axis=1, keepdims=True) if predicted.ndim == 2 else spoiled
    return 2 * predicted


def _mislead(predicted: Array, inside: Array) -> Array:
    """Keep the order, and tell less of the truth than a guess does, as class weights can."""
    if predicted.ndim == 2:
        rarest = np.eye(predicted.shape[1])[predicted.mean(axis=0).argmin()]
        return np.asarray((predicted + 3 * rarest) / 4)
    if predicted.min() >= 0 and predicted.max() <= 1:
        return np.asarray((predicted + 3 * (predicted.mean() < 0.5)) / 4)
    return np.asarray(predicted + 3 * predicted.std())


def _neglect(predicted: Array, inside: Array) -> Array:
    """Answer one slice's rows as if nothing were known of them."""
    spoiled = predicted.copy()
    spoiled[inside] = np.random.default_rng(1).permutation(spoiled[inside])
    return spoiled


CANDIDATE_FAULTS = (
    CandidateFault(name="candidate made worse", strike=_spoil),
    CandidateFault(name="miscalibrated candidate", strike=_exaggerate),
    CandidateFault(name="biased on one slice", strike=_neglect),
    CandidateFault(name="misleading first candidate", strike=_mislead, first=True),
)
