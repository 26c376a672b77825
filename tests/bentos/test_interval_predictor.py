"""Answers carry an interval on every way, as training gives it."""

import json
from io import BytesIO
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from any_model import ask, make_folder
from connections import Open, make_app, post, without_own
from jsonschema import Draft202012Validator
from uncertain import SECTIONS, UNCERTAIN

from bentos.interval_predictor import IntervalPredictor
from bentos.json_schema import ANSWERS, describe_whole
from bentos.model import Model, load_folder
from bentos.responses import ARROW
from tasks.core.columns import LOGGED_INTERVAL, LOGGED_PREDICTION
from tasks.core.errors import StoreError
from tasks.core.prediction_interval import INTERVAL
from tasks.prediction.batch_scoring import Scorer, answer_rows, write_log
from tasks.registry.versions import get_version
from tasks.serving.expected_answers import predict_answers
from tasks.storage.store import open_store
from tasks.training.published_model import PublishedModel, load

ROWS = UNCERTAIN.head(50).select("x", "s", "c")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train a compiled version with intervals by the plain functions."""
    sections = SECTIONS | {"serving": 'interval = 0.9\npredictor = "compiled"'}
    return make_folder(tmp_path_factory.mktemp("uncertain"), UNCERTAIN, **sections)


@pytest.fixture(scope="module")
def model(folder: Path) -> Model:
    return load_folder(folder)


@pytest.fixture(scope="module")
def published(folder: Path) -> PublishedModel:
    store = open_store(str(folder.parents[2]))
    return load(store, get_version(store, "made", folder.name))


def test_every_way_answers_what_training_predicts(model: Model, published: PublishedModel) -> None:
    app, wanted = make_app(model), predict_answers(published, ROWS)
    assert published.refit
    assert folder_files(published) >= {INTERVAL, "twin_interval.json"}, "both models have one"
    rows = ROWS.to_dicts()
    status, many = ask(app, "/predict", json.dumps(rows).encode())
    assert status == 200
    assert np.column_stack([many["predictions"], many["intervals"]]).tolist() == wanted.tolist()
    stream = BytesIO()
    ROWS.write_ipc_stream(stream)
    _, arrow = ask(app, "/predict", stream.getvalue(), ARROW)
    assert arrow["interval"].to_list() == wanted[:, 1:].tolist()
    for row, (predicted, *interval) in zip(rows[:5], wanted.tolist(), strict=False):
        _, one = ask(app, "/predict", json.dumps(row).encode())
        assert (one["prediction"], one["interval"]) == (predicted, interval)
        _, explained = ask(app, "/explain", json.dumps(row).encode())
        assert explained["interval"] == interval
        assert interval[0] < interval[1]


def folder_files(published: PublishedModel) -> set[str]:
    return set(published.published.manifest.files)


def test_quick_way_gives_the_same_bytes(model: Model, connect: Open) -> None:
    app = make_app(model)
    quick, usual = connect(app), connect(app, quick=False)
    for row in ROWS.head(5).to_dicts():
        body = post(json.dumps(row).encode())
        first = quick.send(body)
        again = quick.send(body)
        assert b'"interval":[' in again
        assert without_own(first) == without_own(again) == without_own(usual.send(body))


def test_schema_describes_the_answers(model: Model) -> None:
    checked = Draft202012Validator(describe_whole(model, ANSWERS["predict"]))
    for body in (ROWS.head(3).to_dicts(), ROWS.to_dicts()[0]):
        _, said = ask(make_app(model), "/predict", json.dumps(body).encode())
        assert list(checked.iter_errors(said)) == []
    del said["interval"]
    assert list(checked.iter_errors(said)) != []
    assert ask(make_app(model), "/model")[1]["interval"] == 0.9


def test_scored_table_and_its_log_hold_both_ends(published: PublishedModel, tmp_path: Path) -> None:
    scorer = Scorer(model=published, types=dict(UNCERTAIN.select("id", "x", "s", "c").schema))
    batch = UNCERTAIN.head(20)
    answers, wanted = answer_rows(scorer, batch), predict_answers(published, batch)
    assert answers.columns == ["id", "prediction", "interval_low", "interval_high"]
    assert answers.drop("id").to_numpy().tolist() == wanted.tolist()
    assert answer_rows(scorer, batch.head(0)).schema == answers.schema
    (tmp_path / "log").mkdir()
    write_log(scorer, batch, answers, tmp_path / "log")
    logged = pl.read_parquet(tmp_path / "log")
    assert logged[LOGGED_PREDICTION].to_list() == wanted[:, 0].tolist()
    assert logged[LOGGED_INTERVAL].to_list() == wanted[:, 1:].tolist()


def test_interval_of_another_model_is_refused(model: Model, folder: Path) -> None:
    interval = IntervalPredictor((folder / INTERVAL).read_bytes(), "v1")
    with pytest.raises(StoreError, match="v1: its intervals take other features"):
        interval.check("v1", np.zeros((3, 2)), np.zeros(3))
    with pytest.raises(StoreError, match="v1: is no prediction interval"):
        IntervalPredictor(b"{}", "v1")


def test_interval_that_was_fitted_by_itself_once_is_answered_as_before() -> None:
    kept = json.loads((Path(__file__).parents[1] / "support/interval_of_before.json").read_text())
    interval, rows = IntervalPredictor(json.dumps(kept["file"]).encode(), "v1"), kept["rows"]
    predicted = np.array([100.0, 200.0, 300.0])
    assert interval.predict(np.array(rows), predicted).tolist() == kept["intervals"]
    alone = list(map(interval.predict_one, rows, predicted.tolist()))
    assert alone == kept["intervals"]
