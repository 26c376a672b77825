"""A published version read back: its definition, features, vocabulary and models, and predictions.

Responsible for reading a version's files, each checked against its manifest, and for the way from
raw rows to predictions outside of serving. Not responsible for which version is asked, and when.
"""

from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import polars as pl
from numpy.typing import NDArray

from tasks.core.columns import MATURED, ROLE, TARGET
from tasks.core.definition import Definition, Frozen, parse_definition
from tasks.core.errors import DataRefused
from tasks.core.pinball import rearrange
from tasks.core.prediction_interval import (
    INTERVAL,
    TWIN_INTERVAL,
    IntervalModel,
    read_interval,
)
from tasks.extraction.run_plan import Plan
from tasks.features.judging_expressions import compile_weight
from tasks.features.transform import Features, Vocabulary, encode
from tasks.preparation.labels import label_rows, settle_target
from tasks.preparation.split import Split, part_of_row
from tasks.registry.forgotten import list_keys, read_records
from tasks.registry.snapshots import fetch_snapshot, snapshot_path
from tasks.registry.versions import Published, find, read_file, read_json
from tasks.storage.store import Store, open_store
from tasks.training.datasets import model_input
from tasks.training.intervals import open_ends
from tasks.training.recalibration import Recalibration, read_recalibration


class PublishedModel(Frozen):
    """A version's files, as far as predicting needs them; `root` is the address of its store.

    A version has one model, or two: the released one, fitted once more on all rows, and its twin,
    which was evaluated on a holdout that it never saw. Both are recalibrated alike.
    """

    root: str
    published: Published
    definition: Definition
    features: Features
    vocabulary: Vocabulary
    lineage: dict[str, Any]
    recalibration: Recalibration | None = None

    @property
    def version(self) -> str:
        return self.published.version

    @property
    def as_of(self) -> datetime | None:
        return self.lineage["as_of"] and datetime.fromisoformat(self.lineage["as_of"])

    @property
    def refit(self) -> bool:
        return bool(self.lineage["refit"])

    @property
    def learned(self) -> int:
        """Count the rows that the released model learned from."""
        rows: dict[str, int] = self.lineage["rows"]
        return sum(rows.values()) if self.refit else rows["fit"] + rows["stop"]

    @cached_property
    def split(self) -> Split:
        return Split.model_validate(self.lineage["split"])

    @cached_property
    def booster(self) -> lightgbm.Booster:
        return lightgbm.Booster(model_str=self.read_text())

    @cached_property
    def interval(self) -> IntervalModel | None:
        return self.read_interval()

    @cached_property
    def ends(self) -> list[lightgbm.Booster]:
        """The models of an interval's two ends; none where the version gives no intervals."""
        return open_ends(self.interval)

    def read_interval(self, twin: bool = False) -> IntervalModel | None:
        """Read what intervals the released model, or its twin, gives; None where it gives none."""
        if self.definition.serving.interval is None:
            return None
        file = TWIN_INTERVAL if twin and self.refit else INTERVAL
        data = read_file(open_store(self.root), self.published, file)
        return read_interval(data, self.published.path_of(file))

    def read_text(self, twin: bool = False) -> str:
        """Read the released model as LightGBM's text, or its twin (itself, if never refitted)."""
        file = "twin.txt" if twin and self.refit else "model.txt"
        return read_file(open_store(self.root), self.published, file).decode()

    def read_importance(self) -> dict[str, float]:
        """Read each feature's share of all contributions, the largest first."""
        ranked = read_json(open_store(self.root), self.published, "evaluation.json")["importance"]
        return {each["feature"]: each["share"] for each in ranked}

    def predict(self, rows: pl.DataFrame, twin: bool = False) -> NDArray[np.float64]:
        """Predict raw rows; shape (rows,), or (rows, classes) for several classes or quantiles.

        Values of a regression, its quantiles, or probabilities. Raises what Polars raises where a
        feature fails.
        """
        model = lightgbm.Booster(model_str=self.read_text(twin)) if twin else self.booster
        return self.recalibrate(predict_rows(model, self.features, self.vocabulary, rows))

    def recalibrate(self, predicted: NDArray[np.float64]) -> NDArray[np.float64]:
        """Turn what one of its boosters predicts into what the version answers."""
        predicted = rearrange(self.definition.pinball, predicted)
        return self.recalibration.apply(predicted) if self.recalibration else predicted

    def predict_interval(
        self, numbers: pl.DataFrame, predicted: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Predict intervals of encoded, predicted rows; shape (rows, 2), or (rows, 0) without."""
        if self.interval is None:
            return np.zeros((len(numbers), 0))
        if numbers.is_empty():
            return np.zeros((0, 2))
        ends = (np.asarray(end.predict(numbers)) for end in self.ends)
        return self.interval.widen(predicted, *ends)

    def fetch_snapshot(self, folder: Path) -> list[Path]:
        """Fetch the Parquet parts it was made of; DataRefused where the root has lost them."""
        store, digest = open_store(self.root), self.lineage["snapshot"]
        kept = find(store, snapshot_path(digest))
        if kept is None:
            raise DataRefused(
                f"{self.published.path}: its snapshot {digest} is gone: nothing to compare with; "
                "restore it, or retrain"
            )
        return fetch_snapshot(store, kept, folder)

    def scan_snapshot(self, folder: Path) -> pl.LazyFrame:
        """Scan the rows that it was made of, with time, target and role (null without a label)."""
        rows = pl.scan_parquet(self.fetch_snapshot(folder), glob=False)
        target, _ = settle_target(self.definition, self.as_of, rows, self.published.path)
        role = part_of_row(self.definition, self.split, rows.collect_schema().names())
        known = pl.col(MATURED) & pl.col(TARGET).is_not_null()
        weight = compile_weight(self.definition, rows.collect_schema(), self.published.path)
        if weight is not None:
            known &= weight > 0
        labelled = label_rows(self.definition, self.as_of, rows, target)
        return labelled.with_columns(pl.when(known).then(role).alias(ROLE))

    def recall_plan(self, project: Path) -> Plan:
        """Rebuild the plan that it was made by; `project` is where relative sources are."""
        lineage, records = self.lineage, read_records(open_store(self.root), self.definition.name)
        return Plan(
            definition=self.definition.settle(None, anew=True),
            origin=self.published.path,
            project=project,
            root=self.root,
            as_of=self.as_of,
            asked_at=self.as_of or datetime.fromisoformat(lineage["steps"][0]["start"]),
            sources=lineage["sources"],
            snapshot=lineage["snapshot"],
            features=self.features,
            version=lineage["version"],
            forgotten=list_keys(records)[: lineage.get("forgotten", 0)],
            tune=len((lineage.get("tuning") or {"trials": ()})["trials"]),
        )


def load(store: Store, published: Published) -> PublishedModel:
    """Read a version; its models are read when they are asked. StoreError if a file was changed."""
    definition, files = read_definition(store, published), published.manifest.files
    lineage = read_json(store, published, "lineage.json")
    return PublishedModel(
        root=store.root,
        published=published,
        definition=definition.settle(lineage.get("threshold")),
        features=Features.model_validate(read_json(store, published, "features.json")),
        vocabulary=Vocabulary.model_validate(read_json(store, published, "vocabulary.json")),
        lineage=lineage,
        recalibration=read_recalibration(
            lambda name: read_file(store, published, name), files, definition, published.path
        ),
    )


def read_definition(store: Store, published: Published) -> Definition:
    """Read the definition that a version was made by."""
    text = read_file(store, published, "definition.toml").decode("utf-8-sig")
    return parse_definition(text, published.path)


def encode_rows(features: Features, vocabulary: Vocabulary, rows: pl.DataFrame) -> pl.DataFrame:
    """Turn raw rows into a model's input: a number for each feature, named as the model does."""
    return model_input(encode(rows.lazy(), features, vocabulary).collect())


def predict_rows(
    model: lightgbm.Booster, features: Features, vocabulary: Vocabulary, rows: pl.DataFrame
) -> NDArray[np.float64]:
    """Predict raw rows by any model that takes these features; shapes as `PublishedModel`'s."""
    return np.asarray(model.predict(encode_rows(features, vocabulary, rows)))


def as_column(predicted: NDArray[np.float64]) -> pl.Series:
    """Put predictions into a column: a number a row, or a list of each class's probability.

    >>> as_column(np.array([[0.25, 0.75]])).to_list()
    [[0.25, 0.75]]
    """
    return pl.Series(predicted.tolist() if predicted.ndim == 2 else predicted)
