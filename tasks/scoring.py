"""Scoring: a table of raw rows in, the champion's predictions for all of them out.

Owns how a table of any size passes through in parts, and that its answer appears whole. Refuses to
know who asked: rows become numbers by the same code as in training and serving.
"""

import logging
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import lightgbm
import numpy as np
import polars as pl
from polars import selectors as cs

from tasks.definition import Definition, Frozen, Source
from tasks.errors import DataRefused, DefinitionError, first_line, nearest
from tasks.features import Features, Vocabulary, encode_expressions, feature_expressions
from tasks.metrics import Array
from tasks.sources import find_files, scan_source
from tasks.store import deliver
from tasks.training import model_input

log = logging.getLogger("perennial.scoring")

_FORMATS = ("parquet", "csv")
_KEY, _RAW, _FEATURE = "__key:", "__raw:", "__feature:"


class Scorer(Frozen, arbitrary_types_allowed=True):
    """One version's parts that scoring needs; `types` are those of the raw columns."""

    version: str
    definition: Definition
    features: Features
    vocabulary: Vocabulary
    booster: lightgbm.Booster
    types: dict[str, pl.DataType]


def check_target(uri: str) -> str:
    """Take the output's format from its ending."""
    ending = uri.rpartition(".")[2]
    if ending not in _FORMATS:
        raise DefinitionError(f"--output {uri}: must end in .parquet or .csv")
    return ending


def score_table(scorer: Scorer, source: str, target: str, folder: Path, log_to: Path | None) -> int:
    """Score a table into a file, which appears when it is whole; give the number of rows."""
    ending = check_target(target)
    scored = score_rows(scorer, open_rows(scorer, source), log_to)
    part = folder / f"scored.{ending}"
    try:
        if ending == "parquet":
            scored.sink_parquet(part)
        else:
            scored.sink_csv(part)
        written = pl.scan_parquet(part) if ending == "parquet" else pl.scan_csv(part)
        rows: int = written.select(pl.len()).collect().item()
    except pl.exceptions.PolarsError as error:
        raise DataRefused(f"{source}: cannot be scored: {first_line(error)}") from error
    deliver(part, target)
    return rows


def open_rows(scorer: Scorer, uri: str) -> pl.LazyFrame:
    """Open a table lazily: its keys, as they are, and the raw columns in the types of training."""
    source = Source.model_validate(uri)
    files = find_files(source, Path.cwd(), "--input")
    found = scan_source(source, files).collect_schema()
    missing = [name for name in scorer.features.columns if name not in found]
    if missing:
        hint = nearest(missing[0], found)
        raise DefinitionError(f"--input {uri}: there is no column {missing[0]!r}; {hint}")
    if source.format != "parquet":  # text says nothing of types: read it as those of training
        types = {name: _plain_type(scorer.types[name]) for name in scorer.features.columns}
        source = source.model_copy(update={"types": types})
    rows = scan_source(source, files)
    keys = [name for name in scorer.definition.extract.key if name in found]
    return rows.select(
        *(pl.col(name).alias(_KEY + name) for name in keys),
        *(pl.col(name).cast(scorer.types[name]) for name in scorer.features.columns),
    )


def score_rows(scorer: Scorer, rows: pl.LazyFrame, log_to: Path | None) -> pl.LazyFrame:
    """Plan the predictions of rows, part by part: no more than a few parts are ever in memory.

    With `log_to`, each part is also kept there with its raw columns, as the prediction log does.
    """
    keys = [name for name in rows.collect_schema() if name.startswith(_KEY)]
    raw = [pl.col(name).alias(_RAW + name) for name in scorer.types] if log_to else []
    answers = answer_types(scorer)
    schema = {key.removeprefix(_KEY): rows.collect_schema()[key] for key in keys}

    def predict(part: pl.DataFrame) -> pl.DataFrame:
        numbers = part.select(cs.starts_with(_FEATURE).name.map(_strip))
        found = part.select(cs.starts_with(_KEY).name.map(_strip))
        if part.is_empty():
            return found.with_columns(pl.lit(None, dtype).alias(n) for n, dtype in answers.items())
        predicted = np.asarray(scorer.booster.predict(model_input(numbers)))
        if log_to is not None:
            write_log(scorer, part.select(cs.starts_with(_RAW).name.map(_strip)), predicted, log_to)
        return found.with_columns(write_answers(scorer, answers, predicted))

    return encode_beside(scorer, rows, [*map(pl.col, keys), *raw]).map_batches(
        predict, schema={**schema, **answers}, streamable=True
    )


def encode_beside(scorer: Scorer, rows: pl.LazyFrame, kept: list[pl.Expr]) -> pl.LazyFrame:
    """Turn raw columns into the model's input as training does, beside columns that are kept."""
    evaluated = rows.select(*kept, *feature_expressions(scorer.features))
    schema = evaluated.collect_schema()
    numbers = encode_expressions(scorer.features, scorer.vocabulary, schema)
    named = [each.alias(_FEATURE + each.meta.output_name()) for each in numbers]
    return evaluated.select(cs.starts_with(_KEY, _RAW), *named)


def answer_types(scorer: Scorer) -> dict[str, pl.DataType]:
    """Name an answer's columns: prediction and label, or the label and each class's probability."""
    kind, classes = scorer.definition.target.kind, scorer.vocabulary.classes
    if kind == "multiclass":
        chances = {f"probability_{each}": pl.Float64() for each in classes}
        return {"label": pl.String(), **chances}
    return {"prediction": pl.Float64(), **({"label": pl.Boolean()} if kind == "binary" else {})}


def write_answers(
    scorer: Scorer, types: Mapping[str, pl.DataType], predicted: Array
) -> list[pl.Series]:
    if predicted.ndim == 2:
        classes = np.asarray(scorer.vocabulary.classes)
        columns = [classes[predicted.argmax(axis=1)], *predicted.T]
    else:
        columns = [predicted, predicted >= scorer.definition.serving.threshold]
    named = zip(types.items(), columns, strict=False)  # a value has no label
    return [pl.Series(name, values, dtype=dtype) for (name, dtype), values in named]


def write_log(scorer: Scorer, raw: pl.DataFrame, predicted: Array, folder: Path) -> None:
    """Keep a part as the service's prediction log would, in a folder still to be published."""
    kept = raw.drop(scorer.definition.serving.log_without, strict=False)
    frame = kept.select(
        pl.lit(datetime.now(UTC), pl.Datetime("us", "UTC")).alias("__time"),
        pl.lit(f"score-{folder.parent.name}").alias("__request"),
        pl.lit(scorer.version).alias("__version"),
        pl.Series("__prediction", predicted.tolist()),
        pl.all(),
    )
    frame.write_parquet(folder / f"{secrets.token_hex(4)}.parquet", compression="lz4")


def _strip(name: str) -> str:
    return name.partition(":")[2]


def _plain_type(dtype: pl.DataType) -> str:
    if dtype == pl.Boolean:
        return "boolean"
    if dtype.is_numeric():
        return "integer" if dtype.is_integer() else "number"
    if dtype == pl.Date:
        return "date"
    return "time" if isinstance(dtype, pl.Datetime) else "text"
