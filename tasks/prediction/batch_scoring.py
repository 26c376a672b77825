"""Batch scoring: a table of raw rows in, the champion's predictions for all of them out.

A table of any size passes through in batches, and the output appears when it is whole. Rows are
transformed by the same code as in training and serving.
"""

import logging
import secrets
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import polars as pl
from polars.io.plugins import register_io_source
from pydantic import Field

from tasks.core.columns import ROW
from tasks.core.definition import Frozen
from tasks.core.errors import DataRefused, first_line
from tasks.core.progress import is_heard, tell_progress
from tasks.evaluation.metrics import Array
from tasks.features.feature_tables import asked_columns, tabled_values, used_tables
from tasks.features.point_in_time_join import look_up
from tasks.prediction.answer_columns import (
    CELLS,
    explain_rows,
    find_outputs,
    list_logged,
    put_beside,
    tell_predictions,
)
from tasks.prediction.compiled_forest import CompiledForest, NoForest, compile_forest
from tasks.prediction.log_schema import make_part, write_part
from tasks.registry.corrections import Correction
from tasks.sources.file_contents import refuse_moved
from tasks.sources.input_table import InputTable, open_input
from tasks.sources.preflight import check_target
from tasks.sources.query import event_time
from tasks.storage.store import deliver, is_disk_full, reaching
from tasks.training.published_model import PublishedModel, encode_rows
from tasks.training.recalibration import shift_odds

log = logging.getLogger("perennial.scoring")

_BATCH, _AT_ONCE = 50_000, 2


class Scorer(Frozen, arbitrary_types_allowed=True):
    """One version's parts that scoring needs; `types` are those of the raw columns, as logged.

    `schemas` are the sources' columns as training read them, and `tables` the feature tables, for
    rows that come without the values that are in them. `explain` is how many contributions are
    told beside each prediction, `correction` that of a base rate that is followed.
    """

    model: PublishedModel
    forest: CompiledForest | None = None
    types: dict[str, pl.DataType]
    schemas: Mapping[str, Mapping[str, str]] = Field(default_factory=dict)
    tables: Mapping[str, pl.LazyFrame] = Field(default_factory=dict)
    explain: int | None = None
    correction: Correction | None = None


def score_table(scorer: Scorer, source: str, target: str, folder: Path, log_to: Path | None) -> int:
    """Score a table into a file, which appears when it is whole; give the number of rows.

    With `log_to`, each part is also kept there with its raw columns, as the prediction log does.
    """
    ending, counts = check_target(target), list[int]()
    table = open_rows(scorer, source)
    empty = answer_rows(scorer, pl.DataFrame(schema=find_types(scorer, table)))
    file = folder / f"scored.{ending}"
    whole = register_io_source(
        lambda *_: answer_parts(scorer, table, log_to, counts), schema=empty.schema
    )
    try:
        with reaching(str(file)), refusing_rows(source):
            whole.sink_parquet(file) if ending == "parquet" else whole.sink_csv(file)
    finally:  # what fails on a file that has changed fails because it has
        refuse_moved(table.files, f"--input {source}")
    deliver(file, target)
    return sum(counts)


def answer_parts(
    scorer: Scorer, table: InputTable, log_to: Path | None, counts: list[int]
) -> Iterator[pl.DataFrame]:
    """Answer a table part by part, on whatever thread Polars asks for the next; note their rows."""

    def answer(part: tuple[int, pl.DataFrame]) -> pl.DataFrame:
        batch = take_columns(scorer, table, part[1], part[0])
        answers = answer_rows(scorer, batch)
        if log_to is not None:
            write_log(scorer, batch, answers, log_to)
        return answers

    # Nothing but the scan: with a selection on top, Polars reads on without waiting for us.
    size = min(_BATCH, CELLS // (scorer.explain or 1))
    total = table.count_rows() if is_heard() else None
    parts = table.rows.collect_batches(chunk_size=size, lazy=True)
    for answers in map_ahead(answer, count_rows(parts)):
        counts.append(len(answers))
        tell_progress("scoring", "row", sum(counts), total)
        if scorer.explain:  # which takes minutes where predicting takes seconds
            log.info("%s rows explained", f"{sum(counts):,}")
        yield answers


def count_rows(parts: Iterable[pl.DataFrame]) -> Iterator[tuple[int, pl.DataFrame]]:
    """Say of each part how many rows came before it."""
    before = 0
    for part in parts:
        yield before, part
        before += len(part)


def map_ahead(
    answer: Callable[[tuple[int, pl.DataFrame]], pl.DataFrame],
    parts: Iterable[tuple[int, pl.DataFrame]],
) -> Iterator[pl.DataFrame]:
    """Answer parts in their order, a few at once: each step of one leaves a core to the others."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        waiting: deque[Future[pl.DataFrame]] = deque()
        for part in parts:
            waiting.append(pool.submit(answer, part))
            if len(waiting) > _AT_ONCE:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


@contextmanager
def refusing_rows(source: str) -> Iterator[None]:
    """Say of rows that cannot be scored whose they are; a full disk is not their fault."""
    try:
        yield
    except pl.exceptions.PolarsError as error:
        if is_disk_full(error):
            raise
        raise DataRefused(f"{source}: cannot be scored: {first_line(error)}") from error


def open_rows(scorer: Scorer, uri: str) -> InputTable:
    """Open a table lazily, and refuse one that lacks a column that the features need."""

    def needed(found: Collection[str]) -> Sequence[str]:
        columns = list(scorer.model.features.columns)
        return (
            asked_columns(scorer.model.definition, columns)
            if needs_tables(scorer, found)
            else columns
        )

    return open_input(scorer.model.definition, scorer.schemas, scorer.types, needed, uri)


def find_types(scorer: Scorer, table: InputTable) -> dict[str, pl.DataType]:
    """Tell which columns a table's rows are answered from."""
    given = table.takes if table.row_query is None else table.row_query.gives
    held = {name: dtype for name, dtype in scorer.types.items() if name in given}
    return held | {name: scorer.types[name] for name in scorer.model.features.columns}


def take_columns(
    scorer: Scorer, table: InputTable, part: pl.DataFrame, before: int = 0
) -> pl.DataFrame:
    """Take a part's columns as training had them, with what is looked up for its rows."""
    taken = table.read(part, before)
    return look_up_values(scorer, taken) if needs_tables(scorer, taken.schema) else taken


def needs_tables(scorer: Scorer, columns: Collection[str]) -> bool:
    """Tell whether values that features need are to be looked up, as rows do not hold them."""
    values = tabled_values(scorer.model.definition)
    return any(name in values and name not in columns for name in scorer.model.features.columns)


def look_up_values(scorer: Scorer, batch: pl.DataFrame) -> pl.DataFrame:
    """Give rows what feature tables knew at their time; they keep their order."""
    definition = scorer.model.definition
    used = used_tables(definition, scorer.model.features.columns)
    rows = batch.drop(tabled_values(definition), strict=False).lazy().with_row_index(ROW)
    moment = event_time(definition, batch.schema) if definition.extract.time else None
    return look_up(rows, moment, used, scorer.tables).sort(ROW).drop(ROW).collect()


def answer_rows(scorer: Scorer, batch: pl.DataFrame) -> pl.DataFrame:
    """Predict a part of a table; give its keys and the answers."""
    model, definition, features = scorer.model, scorer.model.definition, scorer.model.features
    keys = batch.select(name for name in definition.extract.key if name in batch.columns)
    numbers = encode_rows(features, model.vocabulary, batch)
    predicted = predict(scorer, numbers)
    interval = model.predict_interval(numbers, predicted)
    told = tell_predictions(definition, model.vocabulary.classes, predicted, interval)
    if scorer.correction:
        told = told.with_columns(pl.lit(scorer.correction.number).alias("correction"))
    if scorer.explain:
        booster, names = model.booster, list(features.expressions)
        outputs = find_outputs(definition, booster, numbers, predicted)
        told = told.hstack(explain_rows(booster, names, numbers, outputs, scorer.explain))
    return put_beside(keys, told, model.version)


def find_forest(model: PublishedModel) -> CompiledForest | None:
    """Compile a model's trees, where this machine can."""
    booster = model.booster
    try:
        return compile_forest(
            model.read_text(), booster.num_feature(), lambda rows: np.asarray(booster.predict(rows))
        )
    except NoForest as reason:
        log.warning("LightGBM predicts, not the compiled predictor: %s", reason)
        return None


def predict(scorer: Scorer, numbers: pl.DataFrame) -> Array:
    classes = scorer.model.vocabulary.classes
    if numbers.is_empty():
        outputs = len(classes or scorer.model.definition.target.quantiles or ())
        return np.zeros((0, outputs) if outputs else 0)
    if scorer.forest is None:
        predicted = np.asarray(scorer.model.booster.predict(numbers))
    else:
        predicted = scorer.forest.predict(numbers.cast(pl.Float64).to_numpy())
    answered = scorer.model.recalibrate(predicted)
    return shift_odds(answered, scorer.correction.offset) if scorer.correction else answered


def write_log(scorer: Scorer, batch: pl.DataFrame, answers: pl.DataFrame, folder: Path) -> None:
    """Keep a part as the service would log it, in a folder still to be published."""
    absent = [name for name in scorer.types if name not in batch.columns]
    rows = batch.with_columns(pl.lit(None, scorer.types[name]).alias(name) for name in absent)
    model = scorer.model
    part = make_part(
        model.definition,
        model.version,
        rows.select(list(scorer.types)),
        predictions=list_logged(answers, model.vocabulary.classes, model.definition.pinball),
        asked=[time.time_ns() // 1_000] * len(rows),
        requests=[f"score-{folder.parent.name}"] * len(rows),
        correction=scorer.correction,
    )
    (folder / f"{secrets.token_hex(4)}.parquet").write_bytes(write_part(part))
