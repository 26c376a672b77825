"""Several classes, plain numbers and columns of every type are answered by the same application."""

import asyncio
import json
from dataclasses import replace
from datetime import date, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from models import unpublished
from servers import make_version
from tables import ROWS, Project, define

from bentos import openapi
from bentos.app import PredictionApp
from bentos.columns import Column, json_type, parse_dtype
from bentos.errors import RequestRefused
from bentos.metrics import Metrics
from bentos.microbatching import MicroBatcher, explain_failure
from bentos.model import Model, load_folder
from bentos.prediction_log import PredictionLog
from bentos.responses import ARROW, JSON
from tasks.core.errors import StoreError
from tasks.prediction.batch_scoring import Scorer, answer_rows, open_rows, take_columns, write_log

ID = pl.col("id")
TABLE = ROWS.with_columns(
    flag=ID % 3 == 0,
    day=pl.lit(date(2020, 1, 1)) + pl.duration(days=ID % 200),
    clock=pl.time(ID % 24, ID % 60),
    span=pl.duration(minutes=ID),
    big=ID.cast(pl.UInt64) + 2**63,
    price=(ID / 7).cast(pl.Decimal(10, 2)),
    color=pl.col("c").cast(pl.Categorical),
    when=pl.when(ID % 2 == 0).then(pl.lit("2020-01-02")).otherwise(pl.lit("2021-03-04")),
)
FEATURES = """x = "x"
flag = "flag"
month = "DATE_PART('month', day)"
hour = "DATE_PART('hour', clock)"
long = "span > INTERVAL '3 hours'"
big = "big"
price = "price"
color = "color"
year = "DATE_PART('year', STRPTIME(\\"when\\", '%Y-%m-%d'))"
"""
QUESTION = {
    "x": 1.5, "flag": True, "day": "2020-02-03", "clock": "10:30:00", "span": "PT90M",
    "big": 2**63 + 5, "price": 3.25, "color": "north", "when": "2020-01-02",
}  # fmt: skip


def make(folder: Path, target: str) -> Model:
    """Train by the plain functions, in a project of its own."""
    import flows.retrain as steps

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("PERENNIAL_ROOT", str(folder / "root"))
        for name in ("extract", "analyse", "prepare", "train", "evaluate", "validate", "refit"):
            patch.setattr(steps, name, getattr(steps, name).fn)
        Project(folder).write(TABLE)
        (folder / "deployments").mkdir()
        training = "threads = 1\nrounds = 5\nparams = { min_data_in_leaf = 5 }"
        text = define(target=target, features=FEATURES, training=training)
        (folder / "deployments" / "made.toml").write_text(text)
        version = make_version(steps, None, "made")
    return load_folder(folder / "root" / "models" / "made" / version)


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return make(tmp_path_factory.mktemp("classes"), 'value = "c"\nkind = "multiclass"')


@pytest.fixture(scope="module")
def amount(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return make(tmp_path_factory.mktemp("amount"), 'value = "k"\nkind = "regression"')


@pytest.fixture
def server(classes: Model) -> PredictionApp:
    metrics = Metrics()
    return PredictionApp(classes, metrics, PredictionLog(None, metrics))


def ask(
    server: PredictionApp, path: str, body: bytes = b"", kind: bytes = JSON, **message: Any
) -> tuple[int, Any]:
    """Put one request through the application, as a web server does."""
    said: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, **message}

    async def send(part: Any) -> None:
        said.append(part)

    method = "POST" if path in ("/predict", "/explain") else "GET"
    headers = [(b"content-type", kind), (b"authorization", b"Bearer " + server.token)]
    headers.append((b"host", b"localhost"))
    scope = {"type": "http", "path": path, "method": method, "headers": headers}
    asyncio.run(server(scope, receive, send))
    if not said:
        return 0, None
    data = said[1]["body"]
    return said[0]["status"], pl.read_ipc_stream(data) if data[:1] == b"\xff" else json.loads(data)


def write(**values: Any) -> bytes:
    return json.dumps(QUESTION | values).encode()


def test_each_class_gets_a_probability_and_the_likeliest_is_the_label(
    server: PredictionApp,
) -> None:
    status, answer = ask(server, "/predict", write())
    assert status == 200
    assert sum(answer["prediction"]) == pytest.approx(1)
    names = ["east", "north", "south", "west"]
    assert answer["label"] == names[answer["prediction"].index(max(answer["prediction"]))]
    status, explained = ask(server, "/explain", write())
    assert list(explained["classes"]) == names
    assert set(explained["classes"]["north"]["contributions"]) == set(
        server.model.features.expressions
    )


def test_a_number_has_no_label_in_any_shape(server: PredictionApp, amount: Model) -> None:
    server.swap(amount)
    assert set(ask(server, "/predict", write())[1]) == {"prediction", "version"}
    many = json.dumps({"columns": {name: [value] * 3 for name, value in QUESTION.items()}})
    assert set(ask(server, "/predict", many.encode())[1]) == {"predictions", "version"}
    status, frame = ask(server, "/predict", stream(TABLE.head(3)), ARROW)
    assert (status, frame.columns, len(frame)) == (200, ["prediction"], 3)


def stream(rows: pl.DataFrame, *names: str) -> bytes:
    buffer = BytesIO()
    rows.select(*QUESTION, *names).write_ipc_stream(buffer)
    return buffer.getvalue()


def test_columns_of_every_type_are_answered_alike_in_json_and_arrow(server: PredictionApp) -> None:
    written = [
        QUESTION
        | {"id": row["id"], "x": row["x"], "flag": row["flag"], "day": row["day"].isoformat()}
        | {"clock": row["clock"].isoformat(), "span": f"PT{row['span'] // timedelta(minutes=1)}M"}
        | {"big": row["big"], "price": float(row["price"]), "color": row["color"]}
        | {"when": row["when"]}
        for row in TABLE.head(20).iter_rows(named=True)
    ]
    status, answer = ask(server, "/predict", json.dumps(written).encode())
    assert status == 200, answer
    status, frame = ask(server, "/predict", stream(TABLE.head(20)), ARROW)
    assert status == 200, frame
    assert frame["prediction"].to_list() == answer["predictions"]


@pytest.mark.parametrize(
    ("field", "value"),
    [("big", -1), ("big", 2**64), ("span", "P999999D"), ("flag", 1), ("clock", "25:00:00"),
     ("day", "2020-13-01"), ("price", "3"), ("price", 1e14)],
)  # fmt: skip
@pytest.mark.parametrize("many", [False, True])
def test_a_value_beyond_its_type_is_refused_by_its_field(
    server: PredictionApp, field: str, value: Any, many: bool
) -> None:
    row = QUESTION | {field: value}
    table = {"columns": {name: [given] for name, given in row.items()}}
    status, answer = ask(server, "/predict", json.dumps(table if many else row).encode())
    assert (status, answer["field"]) == (400, field), answer


def test_nan_is_taken_as_training_took_it(server: PredictionApp) -> None:
    rows = TABLE.head(2).with_columns(x=pl.Series([float("nan"), None]))
    status, frame = ask(server, "/predict", stream(rows), ARROW)
    assert status == 200
    features = server.model.number_frame(rows.select(list(server.model.schema.types)))
    assert np.isnan(features[:, 0]).all()
    assert np.array_equal(frame["prediction"].to_list(), server.model.predictor.predict(features))


def test_a_value_that_is_written_otherwise_is_answered_as_the_same(server: PredictionApp) -> None:
    strict = ask(server, "/predict", write(x=2.0))
    row = QUESTION | {"x": 2, "day": "2020-02-03T00:00:00", "clock": "10:30"}
    assert ask(server, "/predict", json.dumps(row).encode()) == strict
    many = ({"columns": {name: [value] for name, value in row.items()}}, [row])
    for body in many:
        status, answer = ask(server, "/predict", json.dumps(body).encode())
        assert (status, answer["predictions"]) == (200, [strict[1]["prediction"]])
    huge = b'{"x": ' + b"9" * 1_000_000 + json.dumps(QUESTION).encode()[9:]
    assert ask(server, "/predict", huge)[0] == 400


def test_arrow_of_another_type_or_with_a_column_too_many_is_refused(server: PredictionApp) -> None:
    wrong = stream(TABLE.with_columns(flag=pl.lit("yes")))
    assert ask(server, "/predict", wrong, ARROW)[1]["field"] == "flag"
    assert ask(server, "/predict", stream(TABLE, "y"), ARROW)[1]["field"] == "y"


def test_a_feature_that_cannot_be_computed_is_named_and_costs_the_others_nothing(
    server: PredictionApp, classes: Model
) -> None:
    for body in (write(when="no day"), json.dumps([QUESTION, QUESTION | {"when": "no day"}])):
        data = body if isinstance(body, bytes) else body.encode()
        status, answer = ask(server, "/predict", data)
        assert (status, answer["field"]) == (400, "when")
        assert "'year' cannot be computed" in answer["error"]
    good, bad = (classes.schema.decode_row(write(when=each)) for each in ("2020-01-02", "no"))
    answers = gather(classes, [(classes, good), (classes, bad), (classes, good)])
    assert isinstance(answers[1], RequestRefused)
    assert answers[0] == answers[2] == ask(server, "/predict", write())[1]


def gather(model: Model, asked: list[tuple[Model, Any]], gone: tuple[int, ...] = ()) -> list[Any]:
    """Ask in one turn of the event loop; some of those who asked go away meanwhile."""

    async def run() -> list[Any]:
        metrics = Metrics()
        gatherer = MicroBatcher(metrics, PredictionLog(None, metrics))
        answers = [gatherer.ask(each, row, "r") for each, row in asked]
        for place in gone:
            answers[place].cancel()
        return list(await asyncio.gather(*answers, return_exceptions=True))

    metrics = [each if isinstance(each, BaseException) else json.loads(each) for each in
               asyncio.run(run())]  # fmt: skip
    return metrics


def test_rows_that_came_around_a_swap_are_answered_each_by_its_model(
    classes: Model, amount: Model
) -> None:
    row = classes.schema.decode_row(write())
    answers = gather(classes, [(classes, row), (amount, row), (classes, row)])
    versions = [each["version"] for each in answers]
    assert versions == [classes.version, amount.version, classes.version]


def test_who_went_away_is_not_answered(classes: Model) -> None:
    good, bad = (classes.schema.decode_row(write(when=each)) for each in ("2020-01-02", "no"))
    answers = gather(classes, [(classes, good), (classes, good)], gone=(0,))
    assert isinstance(answers[0], asyncio.CancelledError)
    assert answers[1]["version"] == classes.version
    (answer,) = gather(classes, [(classes, bad)], gone=(0,))
    assert isinstance(answer, asyncio.CancelledError)


def test_a_model_that_breaks_is_a_500_and_the_reason_is_logged(
    server: PredictionApp, classes: Model, caplog: pytest.LogCaptureFixture
) -> None:
    server.swap(replace(classes, encode=(pl.col("lost"),), program=None))
    assert ask(server, "/predict", write())[:1] == (500,)
    assert "prediction failed" in caplog.text
    server.swap(replace(classes, evaluation={}))
    status, answer = ask(server, "/model")
    assert (status, answer["error"]) == (500, "the service failed; its log says more")
    assert "500 /model request=" in caplog.text


def test_body_that_is_too_large_or_never_comes_is_not_read_further(server: PredictionApp) -> None:
    most = server.most_bytes
    assert ask(server, "/predict", b" " * (most + 1))[0] == 413
    assert ask(server, "/predict", type="http.disconnect") == (0, None)
    assert server.metrics.responses["/predict", 499] == 1


def test_another_charset_is_refused(server: PredictionApp) -> None:
    assert ask(server, "/predict", write(), JSON + b'; charset="UTF-8"')[0] == 200
    assert ask(server, "/predict", write(), JSON + b"; charset=latin-1")[0] == 415


def test_a_large_body_of_one_row_is_one_answer(server: PredictionApp) -> None:
    small, large = (ask(server, "/predict", write() + b" " * room) for room in (0, 20_000))
    assert small == large


def test_document_says_the_types_and_the_token(server: PredictionApp) -> None:
    server.token = b"a token"
    _, document = ask(server, "/openapi.json")
    values = document["components"]["schemas"]["Row"]["properties"]
    assert document["security"] == [{"bearer": []}]
    assert values["flag"]["type"] == ["boolean", "null"]
    assert values["day"]["format"] == "date"
    assert values["clock"]["format"] == "time"
    assert values["span"]["format"] == "duration"


def test_key_may_be_given_without_the_time(classes: Model) -> None:
    extra = [each.name for each in classes.schema.columns if not each.required]
    assert extra == ["id", "t"]
    assert classes.schema.decode_row(write(id=7))[-2:] == (7, None)
    assert classes.schema.decode_row(write(t="2020-01-01T00:00:00"))[-2:] == (
        None,
        datetime(2020, 1, 1),
    )


def test_column_that_no_request_can_hold_is_refused() -> None:
    with pytest.raises(StoreError, match="of type List\\(Int64\\) cannot be sent in a request"):
        parse_dtype("List(Int64)")
    assert parse_dtype("Categorical") == pl.String
    assert parse_dtype("Null") == pl.Null
    assert json_type(pl.Null()) is None
    described = openapi._value(Column(name="x", dtype=pl.Null()))
    assert described == {"type": "null", "description": "Null"}


def test_failure_that_is_not_the_rows_fault_is_a_500(classes: Model) -> None:
    assert explain_failure(classes, [], ValueError("odd")).status == 500


@pytest.mark.parametrize("kind", ["classes", "amount"])
def test_a_table_is_scored_as_the_service_answers(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    model: Model = request.getfixturevalue(kind)
    scorer = Scorer(
        model=unpublished(
            model.definition, model.features, model.predictor._booster, model.vocabulary
        ),
        types=model.schema.types,
    )
    path = tmp_path / "rows.parquet"
    TABLE.head(20).write_parquet(path)
    table = open_rows(scorer, str(path))
    batch = take_columns(scorer, table, table.rows.collect())
    answers = answer_rows(scorer, batch)
    matrix = model.number_frame(TABLE.head(20).select(list(model.schema.types)))
    predicted = model.predictor.predict(matrix)
    write_log(scorer, batch, answers, tmp_path)
    (part,) = (each for each in tmp_path.iterdir() if each != path)
    logged = pl.read_parquet(part)
    np.testing.assert_allclose(logged["__prediction"].to_list(), predicted)
    assert logged["__version"].unique().to_list() == [model.version]
    if kind == "amount":
        assert answers.columns == ["id", "prediction"]
        return
    assert answers.columns[:2] == ["id", "label"]
    assert answers["label"].to_list() == model.label(predicted)
    assert answers["probability_north"].to_list() == pytest.approx(predicted[:, 1].tolist())
