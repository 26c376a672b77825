"""One published version, ready to answer: its files are read and verified, and it tests itself.

Responsible for which files serving needs, and for turning raw rows into the model's input. Not
responsible for HTTP. It reads by the version's own files alone, as a bento has no registry.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bentos.column_values import frame_rows
from bentos.columns import Column, Row, Rows, read_columns, read_values
from bentos.expression_translator import Unknown
from bentos.interval_predictor import IntervalPredictor
from bentos.lightgbm_predictor import Array, Predictor
from bentos.online_features import OnlineFeatures, load_lookup
from bentos.request_validation import RequestSchema, read_examples
from bentos.row_compiler import RowProgram, agrees, compile_rows
from bentos.synthetic_rows import make_synthetic_rows
from bentos.told import label, name_told
from tasks.core.definition import Definition, parse_definition
from tasks.core.errors import StoreError
from tasks.core.prediction_interval import INTERVAL
from tasks.features.transform import (
    OTHER,
    Features,
    Vocabulary,
    encode_expressions,
    feature_expressions,
)
from tasks.registry.corrections import Correction
from tasks.registry.versions import MANIFEST
from tasks.storage.store import Store
from tasks.training.recalibration import read_recalibration

log = logging.getLogger("perennial.serving")

EXAMPLES = "example_rows.json"  # versions that were made before there were any lack it
_COMPARED_ROWS = 500

Read = Callable[[str], bytes]


@dataclass(frozen=True, eq=False)
class Model:
    """A version's parts. Two versions may live side by side while one follows the other.

    `manifest` is the digest of the version's manifest: the name is only what it is called.
    """

    version: str
    manifest: str
    definition: Definition
    features: Features
    vocabulary: Vocabulary
    lineage: dict[str, Any]
    evaluation: dict[str, Any]
    schema: RequestSchema
    predictor: Predictor
    interval: IntervalPredictor | None
    evaluate: tuple[pl.Expr, ...]
    encode: tuple[pl.Expr, ...]
    program: RowProgram | None
    values: tuple[Column, ...] = ()
    lookup: OnlineFeatures | None = None
    examples: tuple[bytes, ...] = ()
    correction: Correction | None = None

    @property
    def name(self) -> str:
        return self.definition.name

    @cached_property
    def categories(self) -> NDArray[np.intp]:
        """The places of the features that are categories."""
        names = list(self.features.expressions)
        return np.array([names.index(name) for name in self.features.categories], dtype=np.intp)

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """What a row is made of: what was sent, then what was looked up for it."""
        return (*self.schema.columns, *self.values)

    def look_up(self, rows: Rows) -> Rows:
        """Give rows the values of their entities, where features need any."""
        if not self.values:
            return rows
        if self.lookup is None:
            raise StoreError(f"{self.version}: has no feature tables to look values up in")
        return (
            self.lookup.fill_frame(rows)
            if isinstance(rows, pl.DataFrame)
            else self.lookup.fill(rows)
        )

    def frame(self, rows: Sequence[Row]) -> pl.DataFrame:
        """Put whole rows into a frame."""
        return frame_rows(self.columns, rows)

    def encode_rows(self, rows: Rows) -> Array:
        """Turn whole rows into the model's input: the quick way for few, Polars for many."""
        if isinstance(rows, pl.DataFrame):
            return self.encode_frame(rows)
        if self.program is not None and len(rows) <= self.program.most_rows:
            with suppress(OverflowError):
                return self.program(rows)
        return self.encode_frame(self.frame(rows))

    def encode_frame(self, frame: pl.DataFrame) -> Array:
        """Turn raw rows into a matrix (rows, features) by the expressions that training used."""
        numbers = frame.select(self.evaluate).select(self.encode).to_numpy()
        return np.ascontiguousarray(numbers, dtype=np.float64)

    def tell(self, matrix: Array, predicted: Array) -> list[Any] | None:
        """Give what is said beside predictions, named `told`: labels, intervals or quantiles."""
        if self.interval is not None:
            return list(self.interval.predict(matrix, predicted).tolist())
        return label(self.definition, self.vocabulary.classes, predicted)

    @property
    def told(self) -> str:
        return name_told(self.definition)

    def count_others(self, matrix: Array) -> dict[str, int]:
        """Count the values of categories that training had not seen, or too rarely."""
        counts = (matrix[:, self.categories] == OTHER).sum(axis=0).tolist()
        pairs = zip(self.features.categories, counts, strict=True)
        return {name: count for name, count in pairs if count}


def load_folder(folder: Path) -> Model:
    """Load a version from a folder as it was published, its bytes checked by its manifest.

    Not by `training.published_model`: serving reads no snapshot and loads no training code.
    """
    try:
        manifest = (folder / MANIFEST).read_bytes()
        expected = json.loads(manifest)["files"]
    except FileNotFoundError:
        raise StoreError(f"{folder}: holds no model; {MANIFEST} is missing") from None

    def read(name: str) -> bytes:
        data = (folder / name).read_bytes()
        if hashlib.sha256(data).hexdigest() != expected.get(name):
            raise StoreError(f"{folder / name}: was changed after it was published")
        return data

    return load_model(read, expected, hashlib.sha256(manifest).hexdigest())


def load_model(read: Read, files: Collection[str], manifest: str) -> Model:
    """Make a model from its files, and let it prove itself before anyone is answered by it."""
    lineage = json.loads(read("lineage.json"))
    written = parse_definition(read("definition.toml").decode(), lineage["version"])
    definition = written.settle(lineage.get("threshold"))
    features = Features.model_validate_json(read("features.json"))
    vocabulary = Vocabulary.model_validate_json(read("vocabulary.json"))
    columns = read_columns(definition, features, json.loads(read("analysis.json"))["columns"])
    values = read_values(definition, features)
    schema = RequestSchema(columns, definition.serving.max_rows)
    compiled, evaluate = definition.serving.predictor == "compiled", feature_expressions(features)
    types = schema.types | {column.name: column.dtype for column in values}
    numbered = pl.LazyFrame(schema=types).select(evaluate).collect_schema()
    encode = [each.cast(pl.Float64) for each in encode_expressions(features, vocabulary, numbered)]
    model = Model(
        version=lineage["version"],
        manifest=manifest,
        definition=definition,
        features=features,
        vocabulary=vocabulary,
        lineage=lineage,
        evaluation=json.loads(read("evaluation.json")),
        schema=schema,
        predictor=Predictor(
            read("model.txt").decode(),
            compiled,
            read_recalibration(read, files, definition, lineage["version"]),
            definition.pinball,
        ),
        interval=None
        if definition.serving.interval is None
        else IntervalPredictor(read(INTERVAL), lineage["version"], compiled),
        evaluate=tuple(evaluate),
        encode=tuple(encode),
        program=None,
        values=values,
        examples=read_examples(schema, read(EXAMPLES)) if EXAMPLES in files else (),
    )
    check_model(model)
    return replace(model, program=find_program(model))


def with_tables(model: Model, store: Store | None, folder: Path | None = None) -> Model:
    """Give a model the newest feature tables that there are; StoreError where it needs others."""
    if not model.values:
        return model
    columns, values = model.schema.columns, model.values
    return replace(model, lookup=load_lookup(model.definition, columns, values, store, folder))


def check_model(model: Model) -> None:
    """Answer made-up rows, together and alone; StoreError where that fails or differs."""
    wanted = len(model.features.expressions)
    levels = model.definition.target.quantiles
    if levels is not None and model.predictor.classes != len(levels):
        raise StoreError(f"{model.version}: its model has other quantiles than its definition")
    if model.predictor.features != wanted:
        raise StoreError(f"{model.version}: the model takes other features than it is given")
    matrix = encode_synthetic(model, make_synthetic_rows(model.columns, 20))
    together = model.predictor.predict(matrix)
    alone = [model.predictor.predict(matrix[n : n + 1])[0] for n in range(len(matrix))]
    if not np.isfinite(together).all() or not np.array_equal(together, np.array(alone)):
        raise StoreError(f"{model.version}: its predictions are no finite, repeatable numbers")
    if model.interval is not None:
        model.interval.check(model.version, matrix, together)


def find_program(model: Model) -> RowProgram | None:
    """Compile the quick way, and take it only when it agrees with Polars on made-up rows."""
    levels = [level for each in model.vocabulary.categories.values() for level in each]
    rows = make_synthetic_rows(model.columns, _COMPARED_ROWS, levels)
    try:
        program = compile_rows(model.features, model.vocabulary, model.columns)
        if agrees(program, rows, model.encode_frame(model.frame(rows))):
            return program
    except (Unknown, pl.exceptions.PolarsError):
        return None
    log.warning("%s: features are left to Polars, as they came out differently", model.version)
    return None


def encode_synthetic(model: Model, rows: Sequence[Row]) -> Array:
    """Turn made-up rows into numbers; text that must be a date leaves only the nulls."""
    try:
        return model.encode_frame(model.frame(rows))
    except pl.exceptions.PolarsError:
        return model.encode_frame(model.frame([rows[0], rows[0]]))
