"""A yardstick: a quick model of all that was known by a time, for a champion to be held against.

Owns how one is made and asked. Refuses to keep any, and to say when a champion has fallen behind
(`policies`).
"""

from datetime import datetime

import numpy as np
import polars as pl

from tasks.core.columns import TARGET
from tasks.core.definition import Definition, Frozen
from tasks.evaluation.metrics import Array
from tasks.features.transform import Features, Vocabulary, encode
from tasks.training.datasets import model_input
from tasks.training.train import read_model, train_quick


class Challenger(Frozen):
    """The model's text. It learned from `learned` rows, whose labels were known `as_of` a time."""

    as_of: datetime
    learned: int
    model: str


def make_yardstick(
    definition: Definition,
    features: Features,
    vocabulary: Vocabulary,
    classes: int,
    known: pl.DataFrame,
    as_of: datetime,
) -> Challenger:
    """Train on rows with a known label, numbered as a champion does."""
    names = list(features.expressions)
    booster = train_quick(
        definition,
        number_rows(features, vocabulary, known),
        known[TARGET].to_numpy(),
        [names.index(name) for name in features.categories],
        classes,
    )
    return Challenger(as_of=as_of, learned=len(known), model=booster.model_to_string())


def answer(model: str, features: Features, vocabulary: Vocabulary, rows: pl.DataFrame) -> Array:
    """Let a yardstick or a champion, whose numbers they share, predict raw rows."""
    return np.asarray(read_model(model).predict(number_rows(features, vocabulary, rows)))


def number_rows(features: Features, vocabulary: Vocabulary, rows: pl.DataFrame) -> pl.DataFrame:
    return model_input(encode(rows.lazy(), features, vocabulary).collect())
