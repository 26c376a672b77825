"""Scoring: a table of raw rows in, the champion's predictions for all of them out.

Owns how a table of any size passes through in parts, and that its answer appears whole. Refuses to
know who asked: rows become numbers by the same code as in training and serving.
"""

import logging
import secrets
from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import lightgbm
import numpy as np
import polars as pl
from polars import selectors as cs
from polars.io.plugins import register_io_source
from pydantic import Field

from tasks.beforehand import check_target
from tasks.binning import model_input
from tasks.definition import Definition, Frozen, Source
from tasks.errors import DataRefused, DefinitionError, first_line, nearest
from tasks.features import Features, Vocabulary, encode
from tasks.files import find_files, scan_source
from tasks.forest import Forest, NoForest, compile_forest
from tasks.lookups import look_up
from tasks.metrics import Array
from tasks.sources import event_time
from tasks.store import deliver, is_disk_full, reaching
from tasks.tables import asked_columns, tabled_values, used_tables

log = logging.getLogger("perennial.scoring")

_KEY, _ROW = "__key:", "perennial.row"
_BATCH, _AT_ONCE = 50_000, 2


class Scorer(Frozen, arbitrary_types_allowed=True):
    """One version's parts that scoring needs; `types` are those of the raw columns.

    `tables` are the feature tables, for rows that come without the values that are in them.
    """

    version: str
    definition: Definition
    features: Features
    vocabulary: Vocabulary
    booster: lightgbm.Booster
    forest: Forest | None = None
    types: dict[str, pl.DataType]
    tables: Mapping[str, pl.LazyFrame] = Field(default_factory=dict)


def score_table(scorer: Scorer, source: str, target: str, folder: Path, log_to: Path | None) -> int:
    """Score a table into a file, which appears when it is whole; give the number of rows.

    With `log_to`, each part is also kept there with its raw columns, as the prediction log does.
    """
    ending, table, counts = check_target(target), open_rows(scorer, source), list[int]()
    empty = answer_rows(scorer, take_columns(scorer, table.collect_schema().to_frame()))
    file = folder / f"scored.{ending}"
    whole = register_io_source(
        lambda *_: answer_parts(scorer, table, log_to, counts), schema=empty.schema
    )
    with reaching(str(file)), refusing_rows(source):
        whole.sink_parquet(file) if ending == "parquet" else whole.sink_csv(file)
    deliver(file, target)
    return sum(counts)


def answer_parts(
    scorer: Scorer, table: pl.LazyFrame, log_to: Path | None, counts: list[int]
) -> Iterator[pl.DataFrame]:
    """Answer a table part by part, on whatever thread Polars asks for the next; note their rows."""

    def answer(read: pl.DataFrame) -> pl.DataFrame:
        batch = take_columns(scorer, read)
        answers = answer_rows(scorer, batch)
        if log_to is not None:
            write_log(scorer, batch, answers, log_to)
        return answers

    # Nothing but the scan: with a selection on top, Polars reads on without waiting for us.
    for answers in map_ahead(answer, table.collect_batches(chunk_size=_BATCH, lazy=True)):
        counts.append(len(answers))
        yield answers


def map_ahead(
    answer: Callable[[pl.DataFrame], pl.DataFrame], parts: Iterable[pl.DataFrame]
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


def open_rows(scorer: Scorer, uri: str) -> pl.LazyFrame:
    """Open a table lazily, and refuse one that lacks a column that the features need."""
    source = Source.model_validate(uri)
    files = find_files(source, Path.cwd(), "--input")
    found = scan_source(source, files).collect_schema()
    wanted = list(scorer.features.columns)
    if needs_tables(scorer, found):
        wanted = asked_columns(scorer.definition, wanted)
    missing = [name for name in wanted if name not in found]
    if missing:
        hint = nearest(missing[0], found)
        raise DefinitionError(f"--input {uri}: there is no column {missing[0]!r}; {hint}")
    if source.format != "parquet":  # text says nothing of types: read it as those of training
        types = {name: _plain_type(scorer.types[name]) for name in wanted}
        source = source.model_copy(update={"types": types})
    return scan_source(source, files)


def take_columns(scorer: Scorer, batch: pl.DataFrame) -> pl.DataFrame:
    """Take keys as they are, and the raw columns in the types of training."""
    keys = [name for name in scorer.definition.extract.key if name in batch.columns]
    taken = batch.select(
        *(pl.col(name).alias(_KEY + name) for name in keys),
        *(pl.col(name).cast(dtype) for name, dtype in scorer.types.items() if name in batch),
    )
    return look_up_values(scorer, taken) if needs_tables(scorer, taken.schema) else taken


def needs_tables(scorer: Scorer, columns: Container[str]) -> bool:
    """Tell whether values that features need are to be looked up, as rows do not hold them."""
    values = tabled_values(scorer.definition)
    return any(name in values and name not in columns for name in scorer.features.columns)


def look_up_values(scorer: Scorer, batch: pl.DataFrame) -> pl.DataFrame:
    """Give rows what feature tables knew at their time; they keep their order."""
    used = used_tables(scorer.definition, scorer.features.columns)
    rows = batch.drop(tabled_values(scorer.definition), strict=False).lazy().with_row_index(_ROW)
    moment = event_time(scorer.definition, batch.schema) if scorer.definition.extract.time else None
    return look_up(rows, moment, used, scorer.tables).sort(_ROW).drop(_ROW).collect()


def answer_rows(scorer: Scorer, batch: pl.DataFrame) -> pl.DataFrame:
    """Predict a part of a table; give its keys and the answers."""
    keys = batch.select(cs.starts_with(_KEY).name.map(lambda name: name.removeprefix(_KEY)))
    numbers = encode(batch.lazy(), scorer.features, scorer.vocabulary).collect()
    classes = np.asarray(scorer.vocabulary.classes)
    if batch.is_empty():
        predicted = np.zeros((0, len(classes)) if len(classes) else 0)
    else:
        predicted = predict_rows(scorer, numbers)
    if predicted.ndim == 1:
        answers = keys.with_columns(pl.Series("prediction", predicted))
        if scorer.definition.target.kind == "regression":
            return answers
        return answers.with_columns(
            label=pl.col("prediction") >= scorer.definition.serving.threshold
        )
    chances = [
        pl.Series(f"probability_{name}", chance)
        for name, chance in zip(classes, predicted.T, strict=True)
    ]
    likeliest = classes[predicted.argmax(axis=1)].tolist()
    return keys.with_columns(pl.Series("label", likeliest, dtype=pl.String), *chances)


def find_forest(definition: Definition, text: str, booster: lightgbm.Booster) -> Forest | None:
    """Compile the model where its definition asks for that, and this machine can."""
    if definition.serving.predictor != "compiled":
        return None
    try:
        return compile_forest(
            text, booster.num_feature(), lambda rows: np.asarray(booster.predict(rows))
        )
    except NoForest as reason:
        log.warning("LightGBM predicts, not the compiled predictor: %s", reason)
        return None


def predict_rows(scorer: Scorer, numbers: pl.DataFrame) -> Array:
    if scorer.forest is not None:
        return scorer.forest.predict(numbers.cast(pl.Float64).to_numpy())
    return np.asarray(scorer.booster.predict(model_input(numbers)))


def write_log(scorer: Scorer, batch: pl.DataFrame, answers: pl.DataFrame, folder: Path) -> None:
    """Keep a part as the service's prediction log would, in a folder still to be published."""
    held = [name for name in scorer.types if name in batch]
    kept = batch.select(held).drop(scorer.definition.serving.log_without, strict=False)
    chances = [name for name in answers.columns if name.startswith("probability_")]
    predicted = pl.concat_list(chances) if chances else pl.col("prediction")
    frame = kept.select(
        pl.lit(datetime.now(UTC), pl.Datetime("us", "UTC")).alias("__time"),
        pl.lit(f"score-{folder.parent.name}").alias("__request"),
        pl.lit(scorer.version).alias("__version"),
        answers.select(predicted.alias("__prediction")).to_series(),
        pl.all(),
    )
    frame.write_parquet(folder / f"{secrets.token_hex(4)}.parquet", compression="lz4")


def _plain_type(dtype: pl.DataType) -> str:
    if dtype == pl.Boolean:
        return "boolean"
    if dtype.is_numeric():
        return "integer" if dtype.is_integer() else "number"
    if dtype == pl.Date:
        return "date"
    return "time" if isinstance(dtype, pl.Datetime) else "text"
