"""Quantiles are answered on every way as training gives them, in order."""

import json
from io import BytesIO
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from any_model import ask
from connections import Open, make_app, post, without_own
from jsonschema import Draft202012Validator
from quantiles import LEVELS, make_quantiles
from uncertain import UNCERTAIN

from bentos.json_schema import ANSWERS, describe_whole
from bentos.model import Model, load_folder
from bentos.responses import ARROW
from tasks.core.columns import LOGGED_PREDICTION
from tasks.prediction.batch_scoring import Scorer, answer_rows, find_forest, write_log
from tasks.registry.versions import get_version
from tasks.serving.expected_answers import predict_answers
from tasks.storage.store import open_store
from tasks.training.published_model import PublishedModel, load

ROWS = UNCERTAIN.head(50).select("x", "s", "c")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_quantiles(tmp_path_factory.mktemp("quantiles"))


@pytest.fixture(scope="module")
def model(folder: Path) -> Model:
    return load_folder(folder)


@pytest.fixture(scope="module")
def published(folder: Path) -> PublishedModel:
    store = open_store(str(folder.parents[2]))
    return load(store, get_version(store, "made", folder.name))


def test_every_way_answers_what_training_predicts(model: Model, published: PublishedModel) -> None:
    app, wanted = make_app(model), predict_answers(published, ROWS)
    assert model.predictor.name == "compiled"
    assert (np.diff(wanted[:, 1:], axis=1) >= 0).all()
    assert wanted[:, 0].tolist() == wanted[:, 2].tolist(), "the prediction is the median"
    rows = ROWS.to_dicts()
    _, many = ask(app, "/predict", json.dumps(rows).encode())
    assert np.column_stack([many["predictions"], many["quantiles"]]).tolist() == wanted.tolist()
    stream = BytesIO()
    ROWS.write_ipc_stream(stream)
    _, arrow = ask(app, "/predict", stream.getvalue(), ARROW)
    assert arrow["quantiles"].to_list() == wanted[:, 1:].tolist()
    assert arrow["prediction"].to_list() == wanted[:, 0].tolist()
    for row, (predicted, *quantiles) in zip(rows[:5], wanted.tolist(), strict=False):
        _, one = ask(app, "/predict", json.dumps(row).encode())
        assert (one["prediction"], one["quantiles"]) == (predicted, quantiles)
        _, explained = ask(app, "/explain", json.dumps(row).encode())
        assert explained["quantiles"] == quantiles
        added = explained["base"] + sum(explained["contributions"].values())
        assert added == pytest.approx(predicted, abs=1e-9)


def test_quick_way_gives_the_same_bytes(model: Model, connect: Open) -> None:
    app = make_app(model)
    quick, usual = connect(app), connect(app, quick=False)
    for row in ROWS.head(5).to_dicts():
        body = post(json.dumps(row).encode())
        first, again = quick.send(body), quick.send(body)
        assert b'"quantiles":[' in again
        assert without_own(first) == without_own(again) == without_own(usual.send(body))


def test_schema_describes_the_answers(model: Model) -> None:
    checked = Draft202012Validator(describe_whole(model, ANSWERS["predict"]))
    for body in (ROWS.head(3).to_dicts(), ROWS.to_dicts()[0]):
        _, said = ask(make_app(model), "/predict", json.dumps(body).encode())
        assert list(checked.iter_errors(said)) == []
    said["quantiles"].pop()
    assert list(checked.iter_errors(said)) != []
    assert ask(make_app(model), "/model")[1]["quantiles"] == list(LEVELS)
    assert "`prediction` is the middle one" in json.dumps(ask(make_app(model), "/openapi.json")[1])


def test_scored_table_and_its_log_hold_all_quantiles(
    published: PublishedModel, tmp_path: Path
) -> None:
    types = dict(UNCERTAIN.select("id", "x", "s", "c").schema)
    scorer = Scorer(model=published, types=types, forest=find_forest(published), explain=2)
    batch = UNCERTAIN.head(20)
    answers, wanted = answer_rows(scorer, batch), predict_answers(published, batch)
    named = ["prediction", "quantile_0.1", "quantile_0.5", "quantile_0.9"]
    assert answers.columns[:5] == ["id", *named]
    assert answers.select(named).to_numpy().tolist() == wanted.tolist()
    assert answer_rows(scorer, batch.head(0)).schema == answers.schema
    (tmp_path / "log").mkdir()
    write_log(scorer, batch, answers, tmp_path / "log")
    logged = pl.read_parquet(tmp_path / "log")
    assert logged[LOGGED_PREDICTION].to_list() == wanted[:, 1:].tolist()
