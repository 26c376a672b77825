"""BentoML's endpoints answer as our own application does, and their types are the version's."""

import asyncio
import json
from collections.abc import Coroutine
from datetime import date
from typing import Any

import bentoml
import httpx
import pytest
from any_model import ODD, QUESTION, ask, make_model, write
from servers import TOKEN, Served

from bentos.app import PredictionApp
from bentos.endpoints import Answering, make_endpoints, write_specification, write_value
from bentos.errors import RequestRefused
from bentos.metrics import Metrics
from bentos.model import Model
from bentos.prediction_log_writer import PredictionLog


@pytest.fixture(scope="session")
def flags(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return make_model(tmp_path_factory.mktemp("flags"), 'value = "y"\nkind = "binary"')


def server_of(model: Model) -> PredictionApp:
    metrics = Metrics()
    return PredictionApp(model, metrics, PredictionLog(None, metrics))


def service_of(server: PredictionApp) -> Any:
    answering = Answering(lambda: server)
    off = {"enabled": False}
    endpoints = make_endpoints(answering, lambda: None)
    return bentoml.service(endpoints, name="tested", metrics=off, logging={"access": off})


def through_bentoml(service: Any, *requests: tuple[str, bytes]) -> list[tuple[int, Any]]:
    """Ask BentoML's own application, without ours in front of it."""
    application = service.to_asgi()

    async def post() -> list[tuple[int, Any]]:
        asked = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=application), base_url="http://localhost"
        )
        kind = {"content-type": "application/json"}
        async with application.router.lifespan_context(application), asked as client:
            answers = [await client.post(path, content=body, headers=kind)
                       for path, body in requests]  # fmt: skip
        return [(answer.status_code, answer.json()) for answer in answers]

    return run(post())


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


def rows_of(count: int) -> list[dict[str, Any]]:
    x = [json.loads(write(x=n / 7, flag=n % 3 == 0, price=n / 4)) for n in range(count)]
    return [*x, QUESTION | {"x": None, "color": None}]


@pytest.mark.parametrize("kind", ["amount", "flags", "classes"])
def test_endpoints_answer_as_the_quick_way_does_to_the_last_bit(
    kind: str, request: pytest.FixtureRequest
) -> None:
    server = server_of(request.getfixturevalue(kind))
    service, rows = service_of(server), rows_of(40)
    table = {"columns": {name: [row[name] for row in rows] for name in QUESTION}}
    asked = [*rows, rows, table]
    for endpoint in ("predict", "explain"):
        path = f"/{endpoint}"
        quick = [ask(server, path, json.dumps(each).encode()) for each in asked]
        assert {status for status, _ in quick} == {200}
        called = getattr(service(), endpoint)
        assert [called(each) for each in asked] == [answer for _, answer in quick]
        bodies = [(path, write_value(each)) for each in asked]
        assert through_bentoml(service, *bodies) == quick


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"3", b"{}", write(x="1.5"), write(flag=1), write(big=-1), write(other=1),
     write(x=float("nan")), write()[:-1] + b', "x": 2}', b"[]", b'{"columns": {}}',
     write(when="no day"), b"\xff"],
)  # fmt: skip
def test_endpoints_refuse_what_the_quick_way_refuses(amount: Model, body: bytes) -> None:
    server = server_of(amount)
    status, refusal = ask(server, "/predict", body)
    assert status == 400
    assert through_bentoml(service_of(server), ("/predict", body)) == [(400, refusal)]


def test_body_that_is_too_large_is_refused_behind_bentoml_too(amount: Model) -> None:
    server = server_of(amount)
    server.most_bytes = 100
    assert through_bentoml(service_of(server), ("/predict", write()))[0][0] == 413


def test_call_in_python_takes_times_and_refuses_what_json_cannot_hold(amount: Model) -> None:
    predict = service_of(server_of(amount))().predict
    assert predict(QUESTION | {"day": date(2020, 2, 3)}) == predict(QUESTION)
    for value, field in [(float("nan"), "x"), ("1.5", "x"), (b"1", None)]:
        with pytest.raises(RequestRefused) as refused:
            predict(QUESTION | {"x": value})
        assert refused.value.field == field


def test_types_are_those_of_the_version_that_answers(classes: Model, odd: Model) -> None:
    server = server_of(classes)
    service = service_of(server)
    assert set(describe(service)["required"]) == set(QUESTION)
    assert describe(service)["properties"]["flag"]["type"] == ["boolean", "null"]
    assert {"id", "t"} == set(describe(service)["properties"]) - set(QUESTION)
    server.swap(odd)
    assert set(describe(service)["required"]) == set(ODD)
    row = write_specification(server).asdict()["components"]["schemas"]["Row"]
    assert row == describe(service)


def describe(service: Any) -> Any:
    asked = {each["name"]: each["input"] for each in service.schema()["routes"]}
    assert asked["predict"] == asked["explain"]
    assert asked["predict"]["root_input"] is True
    return asked["predict"]["$defs"]["Row"]


def test_any_name_of_a_column_is_answered(odd: Model) -> None:
    server = server_of(odd)
    service, row = service_of(server), dict.fromkeys(ODD, 2.5)
    _, quick = ask(server, "/predict", json.dumps(row).encode())
    assert service().predict(row) == quick
    assert through_bentoml(service, ("/predict", json.dumps(row).encode())) == [(200, quick)]


def test_bentomls_clients_ask_in_every_shape(
    served: Served, client: httpx.Client, questions: list[dict[str, Any]]
) -> None:
    table = {"columns": {name: [row[name] for row in questions] for name in questions[0]}}
    shapes: list[Any] = [questions[0], questions[:50], table]
    wanted = [client.post("/predict", json=each).json() for each in shapes]
    with bentoml.SyncHTTPClient(served.url) as sync:
        assert [sync.predict(each) for each in shapes] == wanted
        explained = client.post("/explain", json=questions[0]).json()
        assert sync.explain(questions[0]) == explained
        with pytest.raises(bentoml.exceptions.InvalidArgument, match="other"):
            sync.predict(questions[0] | {"other": 1})

    async def all_shapes() -> list[Any]:
        async with bentoml.AsyncHTTPClient(served.url) as later:
            return [await later.predict(each) for each in shapes]

    assert run(all_shapes()) == wanted


def test_clients_and_descriptions_need_the_token(strict: Served) -> None:
    with strict.client() as stranger:
        for path in ("/schema.json", "/docs.json"):
            assert stranger.get(path).status_code == 401
    with bentoml.SyncHTTPClient(strict.url, token=TOKEN) as sync:
        assert set(sync.endpoints) == {"predict", "explain"}
