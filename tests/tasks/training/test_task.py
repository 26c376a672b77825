"""The steps that train: what they keep, and where."""

from pathlib import Path

from tables import Project

from tasks.training.task import refit, search, train
from tasks.training.train import read_model

TRAINING = "threads = 1\nrounds = 5\nearly_stopping = 0"


def test_twin_and_simple_model_are_trained_and_the_released_one_learns_more(
    made: Project, tmp_path: Path
) -> None:
    plan, prepared = made.prepare(training=TRAINING)
    trained = train.fn(plan, prepared, tmp_path)
    assert read_model(trained.twin.read_text()).num_trees() == trained.rounds == 5
    assert read_model(trained.simple.read_text()).num_trees() == 1
    assert refit.fn(plan, prepared, trained, tmp_path).read_text() != trained.twin.read_text()


def test_without_tuning_nothing_is_searched_or_kept(made: Project) -> None:
    plan, prepared = made.prepare(training=TRAINING)
    assert search.fn(plan, prepared) == ()
    assert not list(made.folder.rglob("tuning"))
