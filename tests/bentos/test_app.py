"""Several classes, plain numbers and columns of every type are answered by the same application."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import polars as pl
import pytest
from any_model import QUESTION, TABLE, ask, make_model, stream, write
from connections import make_app
from servers import CHUNKED, TOKEN, Question, Served

from bentos.app import PredictionApp
from bentos.model import Model
from bentos.responses import ARROW, JSON


def test_each_class_gets_a_probability_and_the_likeliest_is_the_label(
    app: PredictionApp,
) -> None:
    status, answer = ask(app, "/predict", write())
    assert status == 200
    assert sum(answer["prediction"]) == pytest.approx(1)
    names = ["east", "north", "south", "west"]
    assert answer["label"] == names[answer["prediction"].index(max(answer["prediction"]))]
    status, explained = ask(app, "/explain", write())
    assert list(explained["classes"]) == names
    assert set(explained["classes"]["north"]["contributions"]) == set(
        app.model.features.expressions
    )


def test_a_number_has_no_label_in_any_shape(app: PredictionApp, amount: Model) -> None:
    app.swap(amount)
    assert set(ask(app, "/predict", write())[1]) == {"prediction", "version"}
    many = json.dumps({"columns": {name: [value] * 3 for name, value in QUESTION.items()}})
    assert set(ask(app, "/predict", many.encode())[1]) == {"predictions", "version"}
    status, frame = ask(app, "/predict", stream(TABLE.head(3)), ARROW)
    assert (status, frame.columns, len(frame)) == (200, ["prediction"], 3)


def test_columns_of_every_type_are_answered_alike_in_json_and_arrow(app: PredictionApp) -> None:
    written = [
        QUESTION
        | {"id": row["id"], "x": row["x"], "flag": row["flag"], "day": row["day"].isoformat()}
        | {"clock": row["clock"].isoformat(), "span": f"PT{row['span'] // timedelta(minutes=1)}M"}
        | {"big": row["big"], "price": float(row["price"]), "color": row["color"]}
        | {"when": row["when"]}
        for row in TABLE.head(20).iter_rows(named=True)
    ]
    status, answer = ask(app, "/predict", json.dumps(written).encode())
    assert status == 200, answer
    status, frame = ask(app, "/predict", stream(TABLE.head(20)), ARROW)
    assert status == 200, frame
    assert frame["prediction"].to_list() == answer["predictions"]


@pytest.mark.parametrize(
    ("field", "value"),
    [("big", -1), ("big", 2**64), ("span", "P999999D"), ("flag", 1), ("clock", "25:00:00"),
     ("day", "2020-13-01"), ("price", "3"), ("price", 1e14)],
)  # fmt: skip
@pytest.mark.parametrize("many", [False, True])
def test_a_value_beyond_its_type_is_refused_by_its_field(
    app: PredictionApp, field: str, value: Any, many: bool
) -> None:
    row = QUESTION | {field: value}
    table = {"columns": {name: [given] for name, given in row.items()}}
    status, answer = ask(app, "/predict", json.dumps(table if many else row).encode())
    assert (status, answer["field"]) == (400, field), answer


def test_nan_is_taken_as_training_took_it(app: PredictionApp) -> None:
    rows = TABLE.head(2).with_columns(x=pl.Series([float("nan"), None]))
    status, frame = ask(app, "/predict", stream(rows), ARROW)
    assert status == 200
    features = app.model.encode_frame(rows.select(list(app.model.schema.types)))
    assert np.isnan(features[:, 0]).all()
    assert np.array_equal(frame["prediction"].to_list(), app.model.predictor.predict(features))


def test_a_value_that_is_written_otherwise_is_answered_as_the_same(app: PredictionApp) -> None:
    strict = ask(app, "/predict", write(x=2.0))
    row = QUESTION | {"x": 2, "day": "2020-02-03T00:00:00", "clock": "10:30"}
    assert ask(app, "/predict", json.dumps(row).encode()) == strict
    many = ({"columns": {name: [value] for name, value in row.items()}}, [row])
    for body in many:
        status, answer = ask(app, "/predict", json.dumps(body).encode())
        assert (status, answer["predictions"]) == (200, [strict[1]["prediction"]])
    huge = b'{"x": ' + b"9" * 1_000_000 + json.dumps(QUESTION).encode()[9:]
    assert ask(app, "/predict", huge)[0] == 400


def test_arrow_of_another_type_or_with_a_column_too_many_is_refused(app: PredictionApp) -> None:
    wrong = stream(TABLE.with_columns(flag=pl.lit("yes")))
    assert ask(app, "/predict", wrong, ARROW)[1]["field"] == "flag"
    assert ask(app, "/predict", stream(TABLE, "y"), ARROW)[1]["field"] == "y"


def test_a_model_that_breaks_is_a_500_and_the_reason_is_logged(
    app: PredictionApp, classes: Model, caplog: pytest.LogCaptureFixture
) -> None:
    app.swap(replace(classes, encode=(pl.col("lost"),), program=None))
    assert ask(app, "/predict", write())[:1] == (500,)
    assert "prediction failed" in caplog.text
    app.swap(replace(classes, evaluation={}))
    status, answer = ask(app, "/model")
    assert (status, answer["error"]) == (500, "the service failed; its log says more")
    assert "500 /model request=" in caplog.text


def test_body_that_is_too_large_or_never_comes_is_not_read_further(app: PredictionApp) -> None:
    most = app.most_bytes
    assert ask(app, "/predict", b" " * (most + 1))[0] == 413
    assert ask(app, "/predict", type="http.disconnect") == (0, None)
    assert app.metrics.responses["/predict", 499] == 1


def test_another_charset_is_refused(app: PredictionApp) -> None:
    assert ask(app, "/predict", write(), JSON + b'; charset="UTF-8"')[0] == 200
    assert ask(app, "/predict", write(), JSON + b"; charset=latin-1")[0] == 415


def test_a_large_body_of_one_row_is_one_answer(app: PredictionApp) -> None:
    small, large = (ask(app, "/predict", write() + b" " * room) for room in (0, 20_000))
    assert small == large


@pytest.fixture
def client(strict: Served) -> Iterator[httpx.Client]:
    with strict.client(headers={"authorization": f"Bearer {TOKEN}"}) as opened:
        yield opened


def test_a_token_is_needed_for_all_but_health(
    strict: Served, client: httpx.Client, questions: list[Question]
) -> None:
    for token in ("", "Bearer", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer ä"):
        headers = {"authorization": token.encode("latin-1")}
        with strict.client(headers=headers) as stranger:
            answer = stranger.post("/predict", json=questions[0])
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == "Bearer"
            assert stranger.get("/metrics").status_code == 401
            assert stranger.get("/readyz").status_code == 200
    assert client.post("/predict", json=questions[0]).status_code == 200
    assert TOKEN not in strict.output.read_text()


def test_a_large_body_is_refused_before_and_while_it_comes(client: httpx.Client) -> None:
    headers = {"content-type": "application/json"}
    whole = client.post("/predict", content=b" " * 100_000_000, headers=headers)
    assert whole.status_code == 413
    chunks = (b" " * 100_000 for _ in range(60))
    assert client.post("/predict", content=chunks, headers=headers).status_code == 413


def test_late_answers_are_504_and_requests_beyond_the_cap_429(
    client: httpx.Client, questions: list[Question]
) -> None:
    columns = {name: [value] * 10_000 for name, value in questions[0].items()}
    answers: list[httpx.Response] = []
    ask = threading.Thread(
        target=lambda: answers.append(client.post("/explain", json={"columns": columns}))
    )
    ask.start()
    time.sleep(0.3)
    crowded = client.post("/predict", json=questions[0])
    ask.join()
    assert answers[0].status_code == 504
    assert crowded.status_code == 429
    assert int(crowded.headers["retry-after"]) >= 1
    until = time.monotonic() + 20
    while client.post("/predict", json=questions[0]).status_code == 429:
        assert time.monotonic() < until
        time.sleep(0.1)


@pytest.mark.parametrize("path", ["/docs", "/livez", "/predict"])
@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example", "localhost@evil.example", "evil.example:3000",
     "10.0.0.1", "0.0.0.0", "[::1", "localhost:x", "", "\xff", "a" * 9_000],
)  # fmt: skip
def test_a_request_for_another_host_is_refused(client: httpx.Client, host: str, path: str) -> None:
    answer = client.get(path, headers={"host": host.encode("latin-1")})
    assert answer.status_code == 421
    assert "PERENNIAL_HOSTS" in answer.json()["error"]
    assert len(answer.content) < 250


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:80", "localhost.", "127.0.0.1:3000", "127.9.9.9", "[::1]:3000",
     "listed.example:443", "named.example", "models"],
)  # fmt: skip
def test_a_request_for_a_host_that_is_listed_is_answered(client: httpx.Client, host: str) -> None:
    assert client.get("/docs", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer "])
def test_the_scheme_of_a_token_is_taken_in_any_case(strict: Served, scheme: str) -> None:
    with strict.client(headers={"authorization": f"{scheme} {TOKEN}"}) as asker:
        assert asker.get("/model").status_code == 200


@pytest.mark.parametrize("shape", ["{%s}", "[{%s}]", '{"columns": {%s}}'])
@pytest.mark.parametrize(
    "name", ["a" * 100_000, "field `" * 20_000 + "x - at `$y", " - at `$" * 20_000 + "`"]
)
def test_a_hostile_name_is_refused_at_once_and_told_in_short(
    client: httpx.Client, shape: str, name: str
) -> None:
    begun = time.monotonic()
    body = (shape % f'"{name}": 1').encode()
    answer = client.post("/predict", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["field"] == name[:100]
    assert len(answer.content) < 300
    assert time.monotonic() - begun < 4  # it took 12 s on a quiet machine


def test_bodies_that_do_not_arrive_take_nobodys_place(
    strict: Served, client: httpx.Client, questions: list[Question]
) -> None:
    head = CHUNKED.replace(b"transfer-encoding: chunked", b"content-length: 100")
    head = head.replace(b"\r\n\r\n", b"\r\nauthorization: Bearer " + TOKEN.encode() + b"\r\n\r\n")
    waiting = [socket.create_connection(("127.0.0.1", strict.port)) for _ in range(300)]
    for each in waiting:
        each.sendall(head + b"{" * 50)
    assert client.post("/predict", json=questions[0]).status_code == 200
    for each in waiting:
        each.close()


def test_a_model_that_lightgbm_cannot_explain_says_so(tmp_path: Path) -> None:
    averaged = ', boosting = "rf", bagging_freq = 1, bagging_fraction = 0.5'
    model = make_model(tmp_path, 'value = "k"\nkind = "regression"', params=averaged)
    server = make_app(model)
    body = json.dumps(QUESTION).encode()
    status, said = ask(server, "/explain", body)
    assert (status, "trees are averaged" in said["error"]) == (400, True)
    assert ask(server, "/predict", body)[0] == 200
