"""A yardstick: a quick model of all that was known by a time, for a champion to be held against.

Owns how one is made and asked. Refuses to keep any, and to say when a champion has fallen behind
(`policies`).
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
    """The model's text. It learned from `learned` rows, whose labels were known `as_of` a time."""

    as_of: datetime
    learned: int
    model: str

    def predict(self, features: Features, vocabulary: Vocabulary, rows: pl.DataFrame) -> Array:
        """Predict raw rows, numbered as the champion numbers them."""
        return predict_rows(read_model(self.model), features, vocabulary, rows)


def make_yardstick(
    definition: Definition,
    features: Features,
    vocabulary: Vocabulary,
    classes: int,
    known: pl.DataFrame,
    as_of: datetime,
) -> Challenger:
    """Train on rows with a known label, numbered as a champion does."""
    booster = train_quick(
        definition,
        encode_rows(features, vocabulary, known),
        known[TARGET].to_numpy(),
        category_places(features),
        classes,
    )
    return Challenger(as_of=as_of, learned=len(known), model=booster.model_to_string())
