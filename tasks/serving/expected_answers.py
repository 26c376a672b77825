"""Expected answers of an acceptance test: what training's own path predicts for the holdout.

Responsible for reading that holdout anew, by the version's own split. Not responsible for servers
and requests.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl

from tasks.core.columns import ROLE, SINCE, TIME
from tasks.core.definition import Definition, Frozen
from tasks.core.errors import ProofFailed
from tasks.core.pinball import take_middle
from tasks.evaluation.metrics import Array
from tasks.features.feature_tables import asked_columns, used_tables
from tasks.features.transform import Features
from tasks.preparation.split import SplitRole
from tasks.registry.versions import Published
from tasks.storage.store import Store
from tasks.training.published_model import PublishedModel, encode_rows, load


class ExpectedAnswers(Frozen, arbitrary_types_allowed=True):
    """Raw holdout rows that a request can carry, and what the training path predicts for them.

    `tables` hold what feature tables said at each row's time.
    """

    rows: pl.DataFrame
    expected: Array
    left_out: int
    tables: Mapping[str, pl.DataFrame]


def compute_reference(store: Store, published: Published, folder: Path) -> ExpectedAnswers:
    """Read the holdout anew from its snapshot and predict it as training does.

    JSON has no NaN and no infinity: rows that hold one cannot be sent, and are counted.
    """
    model = load(store, published)
    sent = asked_columns(model.definition, model.features.columns)
    rows = read_holdout(model, [*dict.fromkeys([*sent, *model.features.columns])], folder)
    floats = [name for name in sent if rows.schema[name].is_float()]
    sendable = pl.all_horizontal(pl.lit(True), pl.col(floats).is_finite().fill_null(True))
    kept = rows.filter(sendable)
    return ExpectedAnswers(
        rows=kept.select(sent),
        expected=predict_answers(model, kept),
        left_out=len(rows) - len(kept),
        tables=recall_tables(model.definition, model.features, kept),
    )


def predict_answers(model: PublishedModel, rows: pl.DataFrame) -> Array:
    """Predict what answers hold of raw rows: a prediction, then its interval or all quantiles."""
    predicted = model.predict(rows)
    if model.definition.pinball:
        return np.column_stack([take_middle(model.definition.pinball, predicted), predicted])
    if model.interval is None:
        return predicted
    numbers = encode_rows(model.features, model.vocabulary, rows)
    return np.column_stack([predicted, model.predict_interval(numbers, predicted)])


def recall_tables(
    definition: Definition, features: Features, rows: pl.DataFrame
) -> dict[str, pl.DataFrame]:
    """Put the values that rows were trained with back into tables, as known at each row's time."""
    found = {}
    for name, table in used_tables(definition, features.columns).items():
        values = [value for value in table.values if value in features.columns]
        since = [pl.col(TIME).alias(SINCE)] if table.time else []
        known = rows.select(*table.entity, *since, *values)
        held = [*table.entity, *([SINCE] if table.time else [])]
        found[name] = known.drop_nulls(held).unique(held, maintain_order=True).sort(held)
    return found


def read_holdout(model: PublishedModel, columns: list[str], folder: Path) -> pl.DataFrame:
    """Read columns of a version's holdout, and each row's moment, by its own split."""
    rows = model.scan_snapshot(folder).filter(pl.col(ROLE) == SplitRole.HOLDOUT)
    holdout, made = rows.select(*columns, TIME).collect(), model.lineage["rows"]["holdout"]
    if len(holdout) != made:
        counts = f"{len(holdout):,} instead of {made:,}"
        where = model.published.path
        raise ProofFailed(f"{where}: its holdout has {counts} rows when it is read anew")
    return holdout
