"""Naive predictions are read of the holdout's own rows, beside the model's."""

import polars as pl
import pytest
from tables import ROWS, Project

from tasks.core.columns import ROW
from tasks.core.errors import DefinitionError
from tasks.evaluation.evaluate import evaluate_models
from tasks.evaluation.naive_predictions import NAIVE
from tasks.extraction.snapshot import Snapshot
from tasks.preparation.split import prepare_rows
from tasks.training.train import train_models

GATE = 'naive = { twice = "k * 2", gone = "NULLIF(k, k)" }'


def score(made: Project, gate: str) -> tuple[Snapshot, pl.DataFrame]:
    plan, snapshot = made.extract(
        ROWS,
        target='value = "x"\nkind = "regression"',
        features='k = "k"\nc = "c"',
        training="rounds = 5",
        gate=gate,
    )
    folder = snapshot.parts[0].parent
    prepared = prepare_rows(plan, snapshot, folder)
    trained = train_models(plan, prepared, folder)
    return snapshot, evaluate_models(plan, snapshot, prepared, trained, folder)[1].read()


def test_what_fails_on_the_data_is_named(made: Project) -> None:
    with pytest.raises(DefinitionError, match=r"^made.toml: \[gate\] naive: fails on the data"):
        score(made, 'naive = { gone = "k / 0.0" }')


def test_each_row_has_its_own(made: Project) -> None:
    snapshot, scored = score(made, GATE)
    raw = snapshot.scan().collect().with_row_index(ROW).cast({ROW: scored.schema[ROW]})
    expected = scored.select(ROW).join(raw, on=ROW, maintain_order="left")["k"] * 2
    assert scored[f"{NAIVE}twice"].to_list() == expected.cast(pl.Float64).to_list()
    assert scored[f"{NAIVE}gone"].null_count() == len(scored)
