"""A version read back: what it says of itself, and what both of its models predict."""

import shutil
from datetime import UTC, timedelta
from pathlib import Path

import lightgbm
import numpy as np
import polars as pl
import pytest
from tables import START, Project

from tasks.core.columns import ROLE, TARGET
from tasks.core.errors import DataRefused, StoreError
from tasks.preparation.split import SplitRole
from tasks.registry.versions import Published, find
from tasks.storage.store import open_store, work_folder
from tasks.training.datasets import model_input
from tasks.training.published_model import PublishedModel, as_column, encode_rows, load

TRAINING = "threads = 1\nrounds = 9\nearly_stopping = 0\nholdout = 0.4"
RANDOM = np.random.default_rng(1)
X = RANDOM.normal(size=(2_000, 2))
ROWS = pl.DataFrame(
    {
        "id": range(2_000),
        "t": [START + timedelta(hours=hour) for hour in range(2_000)],
        "x": X[:, 0],
        "k": X[:, 1],
        "c": ["north", "south"] * 1_000,
        "y": X[:, 0] + X[:, 1] + RANDOM.normal(size=2_000) > 0,
    }
)
GATE = "rows = 50\ncalibration_at_most = 1.0"


@pytest.fixture
def published(made: Project, monkeypatch: pytest.MonkeyPatch) -> Published:
    import flows.retrain as steps

    for name in ("extract", "analyse", "prepare", "train", "evaluate", "validate", "refit"):
        monkeypatch.setattr(steps, name, getattr(steps, name).fn)
    made.write(ROWS)
    plan, store = made.plan(training=TRAINING, gate=GATE), open_store()
    with work_folder(store) as folder:
        return steps.make_candidate(plan, store, folder, lambda candidate: {})


@pytest.fixture
def model(published: Published) -> PublishedModel:
    return load(open_store(), published)


def predict_by_hand(model: PublishedModel, file: str, rows: pl.DataFrame) -> np.ndarray:
    text = Path(model.root, model.published.path_of(file)).read_text()
    numbers = encode_rows(model.features, model.vocabulary, rows)
    return np.asarray(lightgbm.Booster(model_str=text).predict(numbers))


def test_both_models_predict_raw_rows(model: PublishedModel) -> None:
    assert model.refit
    released, twin = model.predict(ROWS), model.predict(ROWS, twin=True)
    np.testing.assert_array_equal(released, predict_by_hand(model, "model.txt", ROWS))
    np.testing.assert_array_equal(twin, predict_by_hand(model, "twin.txt", ROWS))
    assert (released != twin).any()


def test_version_says_what_it_learned_and_when(model: PublishedModel) -> None:
    rows = model.lineage["rows"]
    assert model.learned == sum(rows.values())
    once = model.model_copy(update={"lineage": {**model.lineage, "refit": False}})
    assert once.learned == rows["fit"] + rows["stop"]
    assert model.as_of == (START + timedelta(hours=1_999)).replace(tzinfo=UTC)
    assert sum(model.read_importance().values()) == pytest.approx(1)


def test_snapshot_is_read_with_the_roles_that_its_rows_had(
    model: PublishedModel, tmp_path: Path
) -> None:
    rows = model.scan_snapshot(tmp_path / "rows").collect()
    holdout = rows.filter(pl.col(ROLE) == SplitRole.HOLDOUT)
    assert len(holdout) == model.lineage["rows"]["holdout"]
    assert holdout[TARGET].to_list() == holdout["y"].cast(pl.Float64).to_list()


def test_plan_is_the_one_that_made_it(model: PublishedModel, made: Project) -> None:
    plan = made.plan(training=TRAINING, gate=GATE)
    found = model.recall_plan(plan.project)
    assert (found.version, found.snapshot, found.sources) == (
        plan.version, plan.snapshot, plan.sources,
    )  # fmt: skip
    assert found.definition == plan.definition


def test_lost_snapshot_and_changed_file_are_told(model: PublishedModel, tmp_path: Path) -> None:
    shutil.rmtree(Path(model.root, "snapshots"))
    with pytest.raises(DataRefused, match=r"its snapshot .* is gone"):
        model.fetch_snapshot(tmp_path / "rows")
    file = Path(model.root, model.published.path_of("features.json"))
    file.write_text(file.read_text() + " ")
    published = find(open_store(), model.published.path)
    assert published is not None
    with pytest.raises(StoreError, match="was changed after it was published"):
        load(open_store(), published)


def test_predictions_of_classes_become_lists() -> None:
    assert as_column(np.array([0.5, 1.0])).to_list() == [0.5, 1.0]
    assert as_column(np.eye(2)).to_list() == [[1.0, 0.0], [0.0, 1.0]]
    assert model_input(pl.DataFrame({"a b": [1]})).columns == ["a_b"]
