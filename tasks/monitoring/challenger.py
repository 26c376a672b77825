"""The challenger: a quick model trained on all labels known by a time, to compare a champion with.

It shares the champion's features and encoding. Not responsible for keeping challengers, nor for
when a champion is worse (`staleness`).
"""

from datetime import datetime

import polars as pl

from tasks.core.columns import TARGET
from tasks.core.definition import Definition, Frozen
from tasks.evaluation.metrics import Array
from tasks.features.transform import Features, Vocabulary
from tasks.training.datasets import category_places
from tasks.training.published_model import encode_rows, predict_rows
from tasks.training.train import read_model, train_quick


class Challenger(Frozen):
    """LightGBM's `model` text, trained on `learned` rows whose labels were known `as_of` a time."""

    as_of: datetime
    learned: int
    model: str

    def predict(self, features: Features, vocabulary: Vocabulary, rows: pl.DataFrame) -> Array:
        """Predict raw rows, encoded as the champion does; shape (rows,) or (rows, classes)."""
        return predict_rows(read_model(self.model), features, vocabulary, rows)


def train_challenger(
    definition: Definition,
    features: Features,
    vocabulary: Vocabulary,
    classes: int,
    known: pl.DataFrame,
    as_of: datetime,
) -> Challenger:
    """Train on raw rows with a known `TARGET`, encoded as the champion does."""
    booster = train_quick(
        definition,
        encode_rows(features, vocabulary, known),
        known[TARGET].to_numpy(),
        category_places(features),
        classes,
    )
    return Challenger(as_of=as_of, learned=len(known), model=booster.model_to_string())
