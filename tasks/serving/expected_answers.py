"""Expected answers of an acceptance test: what training's own path predicts for the holdout.

Responsible for reading that holdout anew, by the version's own split. Not responsible for servers
and requests.
"""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tasks.core.columns import MATURED, SINCE, TARGET, TIME
from tasks.core.definition import Definition, Frozen, parse_definition
from tasks.core.errors import DataRefused, ProofFailed
from tasks.evaluation.metrics import Array
from tasks.extraction.run_plan import Plan
from tasks.features.feature_tables import asked_columns, used_tables
from tasks.features.transform import Features, Vocabulary, encode
from tasks.preparation.labels import label_rows, settle_target
from tasks.preparation.split import Split, SplitRole, part_of_row
from tasks.registry.snapshots import fetch_snapshot, snapshot_path
from tasks.registry.versions import Published, find, read_file, read_json
from tasks.storage.store import Store
from tasks.training.datasets import model_input
from tasks.training.train import read_model


class ExpectedAnswers(Frozen, arbitrary_types_allowed=True):
    """Raw holdout rows that a request can carry, and what the training path predicts for them.

    `tables` hold what feature tables said at each row's time.
    """

    rows: pl.DataFrame
    expected: Array
    left_out: int
    tables: Mapping[str, pl.DataFrame]


def read_definition(store: Store, published: Published) -> Definition:
    text = read_file(store, published, "definition.toml").decode()
    return parse_definition(text, published.path)


def compute_reference(store: Store, published: Published, folder: Path) -> ExpectedAnswers:
    """Read the holdout anew from its snapshot and predict it as training does.

    JSON has no NaN and no infinity: rows that hold one cannot be sent, and are counted.
    """
    features = Features.model_validate_json(read_file(store, published, "features.json"))
    vocabulary = Vocabulary.model_validate_json(read_file(store, published, "vocabulary.json"))
    definition = read_definition(store, published)
    sent = asked_columns(definition, features.columns)
    rows = read_holdout(store, published, [*dict.fromkeys([*sent, *features.columns])], folder)
    floats = [name for name in sent if rows.schema[name].is_float()]
    sendable = pl.all_horizontal(pl.lit(True), pl.col(floats).is_finite().fill_null(True))
    kept = rows.filter(sendable)
    booster = read_model(read_file(store, published, "model.txt").decode())
    numbered = encode(kept.lazy(), features, vocabulary).collect()
    expected = np.asarray(booster.predict(model_input(numbered)))
    return ExpectedAnswers(
        rows=kept.select(sent),
        expected=expected,
        left_out=len(rows) - len(kept),
        tables=recall_tables(definition, features, kept),
    )


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


def read_holdout(
    store: Store, published: Published, columns: list[str], folder: Path
) -> pl.DataFrame:
    """Read columns of a version's holdout, and each row's moment, by its own split."""
    lineage = read_json(store, published, "lineage.json")
    features = Features.model_validate_json(read_file(store, published, "features.json"))
    plan = recall_plan(store, published, lineage, features)
    snapshot = find(store, snapshot_path(plan.snapshot))
    if snapshot is None:
        raise DataRefused(f"{published.path}: its snapshot {plan.snapshot} is gone")
    rows = pl.scan_parquet(fetch_snapshot(store, snapshot, folder), glob=False)
    target, _ = settle_target(plan, rows)
    known = label_rows(plan, rows, target).filter(MATURED, pl.col(TARGET).is_not_null())
    split = Split.model_validate(lineage["split"])
    part = part_of_row(plan.definition, split, rows.collect_schema().names())
    holdout = known.filter(part == SplitRole.HOLDOUT).select(*columns, TIME).collect()
    if len(holdout) != lineage["rows"]["holdout"]:
        counts = f"{len(holdout):,} instead of {lineage['rows']['holdout']:,}"
        raise ProofFailed(f"{published.path}: its holdout has {counts} rows when it is read anew")
    return holdout


def recall_plan(
    store: Store, published: Published, lineage: dict[str, Any], features: Features
) -> Plan:
    """Rebuild the plan that a version was made by, from what was published with it."""
    as_of = lineage["as_of"] and datetime.fromisoformat(lineage["as_of"])
    return Plan(
        definition=read_definition(store, published),
        origin=published.path,
        project=Path(),
        root=store.root,
        as_of=as_of,
        asked_at=as_of or datetime.fromisoformat(lineage["steps"][0]["start"]),
        sources=lineage["sources"],
        snapshot=lineage["snapshot"],
        features=features,
        version=lineage["version"],
        tune=len((lineage.get("tuning") or {"trials": ()})["trials"]),
    )
