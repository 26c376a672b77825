"""Training/serving skew: whether serving predicts as the training path does, for logged rows.

Compares cell by cell: a logged prediction with that of the training path, and each raw column with
the sources' row of the same key. Not responsible for how much difference is too much (`findings`).
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import polars as pl
from pydantic import Field

from tasks.causes.mapping import Mapping
from tasks.causes.pairs import map_pairs
from tasks.core.columns import (
    LOGGED_CORRECTION,
    LOGGED_INTERVAL,
    LOGGED_PREDICTION,
    LOGGED_REQUEST,
)
from tasks.core.definition import Frozen
from tasks.core.errors import PerennialError, StoreError, first_line
from tasks.evaluation.metrics import Array
from tasks.extraction.run_plan import RunInputs
from tasks.features.point_in_time_join import look_up
from tasks.monitoring.base_rate import list_offsets
from tasks.monitoring.holdout_comparison import as_array
from tasks.registry.corrections import Correction, read_corrections
from tasks.sources.file_formats import FAILURES
from tasks.sources.query import collect, open_table
from tasks.storage.store import open_store
from tasks.training.published_model import PublishedModel, encode_rows
from tasks.training.recalibration import shift_odds

SAMPLE = 10_000
_SAME = 1e-9
_EXAMPLES = 3
_SOURCE = "source:"


class Example(Frozen):
    """One cell that differs: the request it came with, what was logged and what should be."""

    request: str
    logged: str
    expected: str


class Difference(Frozen):
    """How many of the compared rows differ in one column, and a few of them.

    `mapping` is what made each of them of what it should be, where there is one such.
    """

    column: str
    rows: int
    compared: int
    largest: float | None = None
    examples: tuple[Example, ...] = ()
    mapping: Mapping | None = Field(default=None, exclude_if=lambda mapping: mapping is None)

    @property
    def share(self) -> float:
        return self.rows / self.compared if self.compared else 0.0


class Skew(Frozen):
    """`predictions` against the training path, `columns` against the sources, worst first.

    Where one could not be compared, its problem says why.
    """

    rows: int = 0
    predictions: Difference | None = None
    prediction_problem: str = ""
    columns: tuple[Difference, ...] = ()
    column_problem: str = ""


def sample_rows(rows: pl.LazyFrame, count: int, most: int = SAMPLE) -> pl.DataFrame:
    """Draw about so many rows by a hash of all they hold, the same ones each time."""
    if count <= most:
        return rows.collect()
    share = int(2**32 * most / count)
    picked = pl.struct(pl.all()).hash(1) % 2**32 < share
    return rows.filter(picked).collect()


def measure_skew(inputs: RunInputs, model: PublishedModel, logged: pl.DataFrame) -> Skew:
    """Compare logged rows with what training's own path and the sources make of them."""
    found: dict[str, Any] = {"rows": len(logged)}
    try:
        known = read_corrections(open_store(inputs.root), model.definition.name)
        found["predictions"] = compare_predictions(model, logged, known)
    except (StoreError, _CannotCompare) as error:
        found["prediction_problem"] = first_line(error)
    try:
        found["columns"] = tuple(compare_columns(inputs, logged))
    except (PerennialError, _CannotCompare) as error:
        found["column_problem"] = first_line(error)
    return Skew(**found)


def compare_predictions(
    model: PublishedModel, logged: pl.DataFrame, known: dict[int, Correction]
) -> Difference:
    """Predict logged rows by the training path, and compare with what was answered.

    Each row by the correction that it names; one that is not `known` makes it differ.
    """
    lacking = [name for name in model.features.columns if name not in logged.columns]
    if lacking:
        named = ", ".join(map(repr, lacking))
        raise _CannotCompare(f"the log does not hold {named} ([serving] log_without)")
    if logged.is_empty():
        raise _CannotCompare("no row was logged")
    try:
        numbered = encode_rows(model.features, model.vocabulary, logged)
    except FAILURES as error:
        raise _CannotCompare(f"features fail on logged rows: {first_line(error)}") from error
    types = zip(model.features.expressions, numbered.dtypes, strict=True)
    if changed := [f"{name!r} is {dtype}" for name, dtype in types if not dtype.is_numeric()]:
        told = ", ".join(changed)
        raise _CannotCompare(f"features are no numbers on logged rows: {told}")
    expected = model.recalibrate(np.asarray(model.booster.predict(numbered)))
    answered = as_array(logged[LOGGED_PREDICTION])
    if model.interval is not None and LOGGED_INTERVAL in logged.columns:
        expected = np.column_stack([expected, model.predict_interval(numbered, expected)])
        answered = np.column_stack([answered, as_array(logged[LOGGED_INTERVAL])])
    if answered.shape != expected.shape:
        raise _CannotCompare("logged predictions have another shape than the model's")
    if LOGGED_CORRECTION in logged.columns:
        expected = shift_odds(expected, list_offsets(logged, known)[0])
    return _compare_answers(logged, answered, expected)


def compare_columns(inputs: RunInputs, logged: pl.DataFrame) -> Iterable[Difference]:
    """Compare each raw column with the sources' row of the same key, where there is one."""
    key = [name for name in inputs.definition.extract.key if name in logged.columns]
    if not key or len(key) < len(inputs.definition.extract.key):
        raise _CannotCompare("logged rows carry no whole [extract] key")
    table = open_table(inputs.definition, inputs.project)
    columns = [
        name
        for name in inputs.features.columns
        if name in logged.columns and name in table.columns and name not in key
    ]
    asked = logged.drop_nulls(key).with_columns(
        pl.col(name).cast(table.columns[name], strict=False) for name in key
    )
    plain = table.plain.join(asked.lazy().select(key).unique(), on=key, how="semi")
    rows = look_up(plain, table.time, inputs.definition.tables, table.tables)
    wanted = rows.select(*key, *(pl.col(name).alias(_SOURCE + name) for name in columns))
    told = collect(table, wanted)
    pairs = asked.join(told.unique(key, keep="last", maintain_order=True), on=key, how="inner")
    if pairs.is_empty():
        raise _CannotCompare("no logged row has a key that the sources hold")
    found = [_compare_column(pairs, name, columns) for name in columns]
    return sorted(found, key=lambda each: (-each.rows, each.column))


class _CannotCompare(Exception):
    """Why logged rows cannot be held against what they should be."""


def _compare_answers(logged: pl.DataFrame, answered: Array, expected: Array) -> Difference:
    distance = np.abs(answered - expected)
    if distance.ndim == 2:
        distance = distance.max(axis=1)
    places = np.flatnonzero(~(distance <= _SAME))
    worst = places[np.argsort(-distance[places])][:_EXAMPLES]
    examples = [
        Example(
            request=str(logged[LOGGED_REQUEST][int(place)]),
            logged=str(answered[place]),
            expected=str(expected[place]),
        )
        for place in worst
    ]
    return Difference(
        column="prediction",
        rows=len(places),
        compared=len(logged),
        largest=float(distance.max()),
        examples=tuple(examples),
    )


def _compare_column(pairs: pl.DataFrame, name: str, columns: Iterable[str]) -> Difference:
    ours, theirs = pl.col(name), pl.col(_SOURCE + name)
    if pairs.schema[name].is_numeric() and pairs.schema[_SOURCE + name].is_numeric():
        ours, theirs = ours.cast(pl.Float64), theirs.cast(pl.Float64)
    elif pairs.schema[name] != pairs.schema[_SOURCE + name]:
        ours, theirs = ours.cast(pl.String), theirs.cast(pl.String)
    odd = pairs.filter(ours.ne_missing(theirs))
    examples = odd.head(_EXAMPLES).select(LOGGED_REQUEST, name, _SOURCE + name).rows()
    others = {other: odd[_SOURCE + other] for other in columns}
    return Difference(
        column=name,
        rows=len(odd),
        compared=len(pairs),
        mapping=map_pairs(name, others[name], odd[name], others),
        examples=tuple(
            Example(request=str(request), logged=str(one), expected=str(other))
            for request, one, other in examples
        ),
    )
