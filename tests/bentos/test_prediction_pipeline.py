"""Answers over HTTP are those of the training path, in every way a row can be written."""

import json
from io import BytesIO

import httpx
import numpy as np
import polars as pl
import pytest
from any_model import QUESTION, ask, gather, write
from servers import Question, Versions

from bentos.app import PredictionApp
from bentos.errors import RequestRefused
from bentos.model import Model, load_folder
from bentos.prediction_pipeline import explain_failure
from bentos.responses import ARROW
from tasks.features.transform import encode
from tasks.training.datasets import model_input
from tasks.training.train import read_model


@pytest.fixture(scope="session")
def expected(versions: Versions) -> list[float]:
    """Predict as training and evaluation do."""
    folder = versions.folder(versions.second)
    model = load_folder(folder)
    numbers = encode(versions.rows.lazy(), model.features, model.vocabulary).collect()
    booster = read_model((folder / "model.txt").read_text())
    return list(np.asarray(booster.predict(model_input(numbers))).tolist())


def test_one_row_answers_as_training_does(
    client: httpx.Client, questions: list[Question], expected: list[float], versions: Versions
) -> None:
    for question, wanted in zip(questions[:50], expected, strict=False):
        answer = client.post("/predict", json=question).raise_for_status().json()
        assert answer == {"prediction": wanted, "label": wanted >= 0.5, "version": versions.second}


def test_rows_columns_and_arrow_answer_the_same(
    client: httpx.Client, questions: list[Question], expected: list[float], versions: Versions
) -> None:
    columns = {name: [row[name] for row in questions] for name in questions[0]}
    buffer = BytesIO()
    versions.rows.select(list(columns)).write_ipc_stream(buffer)
    rows = client.post("/predict", json=questions).raise_for_status().json()
    table = client.post("/predict", json={"columns": columns}).raise_for_status().json()
    answer = client.post(
        "/predict", content=buffer.getvalue(), headers={"content-type": ARROW.decode()}
    )
    frame = pl.read_ipc_stream(answer.raise_for_status().content)
    assert rows["predictions"] == table["predictions"] == frame["prediction"].to_list() == expected
    assert frame["label"].to_list() == rows["labels"]


def test_a_missing_value_and_an_unseen_category_are_answered_and_counted(
    client: httpx.Client, questions: list[Question]
) -> None:
    question = questions[0] | {"temp": None, "carrier": "never seen"}
    answer = client.post("/predict", json=question).raise_for_status().json()
    assert 0 < answer["prediction"] < 1
    counted = client.get("/metrics").text
    assert 'perennial_other_categories_total{feature="carrier"}' in counted


def test_times_in_another_zone_mean_the_same(
    client: httpx.Client, questions: list[Question]
) -> None:
    moved = questions[0] | {"time_hour": "2013-07-09T12:00:00+02:00"}
    plain = questions[0] | {"time_hour": "2013-07-09T10:00:00Z"}
    given = [client.post("/predict", json=each).json()["prediction"] for each in (moved, plain)]
    assert given[0] == given[1]


def test_contributions_and_base_add_up_to_the_prediction(
    client: httpx.Client, questions: list[Question]
) -> None:
    answer = client.post("/explain", json=questions[0]).raise_for_status().json()
    score = answer["base"] + sum(answer["contributions"].values())
    assert 1 / (1 + np.exp(-score)) == pytest.approx(answer["prediction"], abs=1e-12)
    assert "dep_minute" in answer["contributions"]
    several = client.post("/explain", json=questions[:3]).raise_for_status().json()
    assert len(several["explanations"]) == 3


def test_the_request_id_comes_back(client: httpx.Client, questions: list[Question]) -> None:
    answer = client.post("/predict", json=questions[0], headers={"x-request-id": "mine-7"})
    assert answer.headers["x-request-id"] == "mine-7"


def test_model_health_and_page_need_no_network(client: httpx.Client, versions: Versions) -> None:
    model = client.get("/model").raise_for_status().json()
    assert model["version"] == versions.second
    assert model["predictor"] == "lightgbm"
    assert model["metrics"]["holdout"]["auc"] > 0.5
    assert client.get("/livez").is_success
    assert client.get("/readyz").json()["ready"] is True
    for path in ("/", "/docs"):
        page = client.get(path).raise_for_status().text
        assert "http://" not in page
        assert "https://" not in page


def test_a_feature_that_cannot_be_computed_is_named_and_costs_the_others_nothing(
    app: PredictionApp, classes: Model
) -> None:
    for body in (write(when="no day"), json.dumps([QUESTION, QUESTION | {"when": "no day"}])):
        data = body if isinstance(body, bytes) else body.encode()
        status, answer = ask(app, "/predict", data)
        assert (status, answer["field"]) == (400, "when")
        assert "'year' cannot be computed" in answer["error"]
    good, bad = (classes.schema.decode_row(write(when=each)) for each in ("2020-01-02", "no"))
    answers = gather(classes, [(classes, good), (classes, bad), (classes, good)])
    assert isinstance(answers[1], RequestRefused)
    assert answers[0] == answers[2] == ask(app, "/predict", write())[1]


def test_failure_that_is_not_the_rows_fault_is_a_500(classes: Model) -> None:
    assert explain_failure(classes, [], ValueError("odd")).status == 500
