"""The stopping slice as it is judged: its rows, and what a model that never saw them predicts.

Recalibration, the threshold and early stopping's own metric are all chosen here; the holdout has no
say in them. Responsible for reading no more rows than are asked for, spread evenly over the slice.
Not responsible for what is chosen.
"""

from dataclasses import dataclass
from functools import cached_property

import lightgbm
import numpy as np
import polars as pl

from tasks.core.columns import TARGET, TIME
from tasks.evaluation.metrics import Array
from tasks.extraction.run_plan import Plan
from tasks.preparation.split import Prepared, SplitRole
from tasks.preparation.weights import counted_columns, read_weights
from tasks.training.datasets import model_input
from tasks.training.train import Trained, read_model


@dataclass(frozen=True)
class StoppingSlice:
    """Rows of the slice, and the model of FIT alone with the rounds that were settled there."""

    rows: pl.DataFrame
    features: tuple[str, ...]
    model: lightgbm.Booster
    rounds: int

    @property
    def target(self) -> Array:
        return self.rows[TARGET].to_numpy()

    @property
    def weights(self) -> Array | None:
        """What each row counts; None where all count alike."""
        return read_weights(self.rows)

    def predict(self, rounds: int | None = None) -> Array:
        """Predict after so many rounds, or after all that were settled; not recalibrated."""
        asked = self.rounds if rounds is None else rounds
        return np.asarray(self.model.predict(self._inputs, num_iteration=asked))

    @cached_property
    def _inputs(self) -> pl.DataFrame:
        return model_input(self.rows.select(self.features))


def read_stopping_slice(
    plan: Plan, prepared: Prepared, trained: Trained, most: int
) -> StoppingSlice | None:
    """Read the slice, or about `most` rows of it; None where no early stopping kept one."""
    if trained.settled is None:
        return None
    features = tuple(plan.features.expressions)
    asked = [pl.col(name) for name in (TARGET, TIME, *counted_columns(plan), *features)]
    step = 1 + prepared.rows["stop"] // most
    return StoppingSlice(
        rows=prepared.scan(SplitRole.STOP).gather_every(step).select(asked).collect(),
        features=features,
        model=read_model(trained.settled.read_text("utf-8")),
        rounds=trained.rounds,
    )
