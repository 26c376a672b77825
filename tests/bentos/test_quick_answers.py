"""A plain row is answered the quick way, and just as the usual way answers it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from any_model import make_model
from connections import Open, make_app, post, without_own
from servers import Versions
from tables import ROWS

from bentos import quick_answers
from bentos.app import PredictionApp
from bentos.model import Model, load_folder

Question = dict[str, Any]


def went_quickly(app: PredictionApp, ask: Callable[[], bytes]) -> tuple[bool, bytes]:
    """Tell whether an answer passed ASGI, whose application is the slow way."""
    passed: list[str] = []
    usual = app._route

    async def route(*given: Any) -> Any:
        passed.append("usual")
        return await usual(*given)

    app._route = route  # type: ignore[method-assign]
    try:
        answer = ask()
    finally:
        app._route = usual  # type: ignore[method-assign]
    return not passed, answer


@pytest.fixture(params=["binary", "multiclass", "regression"])
def case(
    request: pytest.FixtureRequest, binary: Model, questions: list[Question], tmp_path: Path
) -> tuple[Model, list[Question]]:
    """Give a model of each kind whose features are plain, and rows for it."""
    if request.param == "binary":
        return binary, questions
    target, other = ("c", "k") if request.param == "multiclass" else ("k", "c")
    text = f'x = "x"\nother = "{other}"'
    model = make_model(tmp_path, f'value = "{target}"\nkind = "{request.param}"', text)
    rows = ROWS.select("x", other).head(30).to_dicts()
    return model, [*rows, {"x": None, other: None}]


def test_both_ways_give_the_same_bytes(case: tuple[Model, list[Question]], connect: Open) -> None:
    model, rows = case
    app = make_app(model)
    quick, usual = connect(app), connect(app, quick=False)
    for row in rows:
        body = json.dumps(row).encode()
        first = quick.send(post(body))
        way, answer = went_quickly(app, lambda body=body: quick.send(post(body)))  # type: ignore[misc]
        assert way
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        wanted = without_own(usual.send(post(body)))
        assert without_own(first) == without_own(answer) == wanted


def test_what_is_refused_is_refused_in_the_same_words(
    binary: Model, questions: list[Question], connect: Open
) -> None:
    app = make_app(binary)
    quick, usual = connect(app), connect(app, quick=False)
    good = questions[0]
    odd: list[Any] = [
        good | {"distance": "1.5"}, good | {"no such": 1}, good | {"distance": 1.5},
        {**good, "distance": 10**30}, dict(list(good.items())[1:]), [], [good], 1,
        {"columns": {name: [value] for name, value in good.items()}},
    ]  # fmt: skip
    twice = json.dumps(good)[:-1] + ', "distance": 1}'
    bodies = [*(json.dumps(each) for each in odd), twice, "{", "\ufeff{}", json.dumps(good)[:-9]]
    for body in map(str.encode, bodies):
        quick.send(post(json.dumps(good).ljust(len(body)).encode()[: max(len(body), 1)]))
        for _ in range(2):
            assert without_own(quick.send(post(body))) == without_own(usual.send(post(body)))


@pytest.mark.parametrize(
    "lines",
    [
        ["x-request-id: mine"],
        ["expect: 100-continue"],
        ["connection: close"],
        ["host: elsewhere.example"],
        ["content-encoding: gzip"],
        ["content-type: text/plain"],
        ["connection: upgrade", "upgrade: h2c"],
    ],
)
def test_an_odd_head_never_goes_the_quick_way(
    lines: list[str], binary: Model, questions: list[Question], connect: Open
) -> None:
    app, body = make_app(binary), json.dumps(questions[0]).encode()
    for _ in range(3):
        way, answer = went_quickly(app, lambda: connect(app).send(post(body, *lines)))
        assert not way or b" 400 " in answer  # of an upgrade, the parser itself says no


def test_a_token_is_asked_for_each_time(
    binary: Model, questions: list[Question], connect: Open
) -> None:
    app, body = make_app(binary), json.dumps(questions[0]).encode()
    app.token = b"right"
    right, wrong = (post(body, f"authorization: Bearer {word}") for word in ("right", "wrong"))
    connection = connect(app)
    for _ in range(3):
        assert b" 401 " in connection.send(post(body))
        assert b" 401 " in connection.send(wrong)
        assert b" 200 " in connection.send(right)
    assert went_quickly(app, lambda: connection.send(right))[0]


def test_a_host_that_counts_on_one_address_does_not_on_loopback(
    binary: Model, questions: list[Question], connect: Open
) -> None:
    app, body = make_app(binary), json.dumps(questions[0]).encode()
    request = post(body).replace(b"host: localhost", b"host: 192.0.2.1")
    outside = connect(app, address="192.0.2.1")
    assert b" 200 " in outside.send(request)
    assert b" 200 " in outside.send(request)
    assert b" 421 " in connect(app).send(request)


def test_another_model_answers_from_the_next_request_on(
    versions: Versions, binary: Model, questions: list[Question], connect: Open
) -> None:
    app, body = make_app(binary), json.dumps(questions[0]).encode()
    connection = connect(app)
    connection.send(post(body))
    app.swap(load_folder(versions.folder(versions.first)))
    for quick in (False, True):  # its heads are learnt anew: its hosts may be others
        way, answer = went_quickly(app, lambda: connection.send(post(body)))
        assert way is quick
        assert versions.first.encode() in answer


def test_versions_do_not_go_back_while_one_takes_over(
    versions: Versions,
    binary: Model,
    questions: list[Question],
    connect: Open,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app, body = make_app(binary), json.dumps(questions[0]).encode()
    connection, lay_out, meanwhile = connect(app), quick_answers._lay_out, list[bytes]()
    connection.send(post(body))

    def ask_and_lay_out(*given: Any) -> quick_answers.Way:
        meanwhile.append(connection.send(post(body)))
        return lay_out(*given)

    monkeypatch.setattr(quick_answers, "_lay_out", ask_and_lay_out)
    app.swap(load_folder(versions.folder(versions.first)))
    assert [versions.first.encode() in each for each in meanwhile] == [True]


def test_a_busy_service_refuses_here_too(
    binary: Model, questions: list[Question], connect: Open
) -> None:
    app, body = make_app(binary), json.dumps(questions[0]).encode()
    connection = connect(app)
    connection.send(post(body))
    app.metrics.in_flight = binary.definition.serving.concurrency
    assert b" 429 " in connection.send(post(body))


def test_quick_answers_are_counted_and_logged_as_others(
    versions: Versions, binary: Model, questions: list[Question], connect: Open, tmp_path: Path
) -> None:
    app = make_app(binary, tmp_path / "root")
    connection = connect(app)
    odd = json.dumps(questions[0] | {"carrier": "??"}).encode()
    for _ in range(3):
        connection.send(post(odd))
    metrics = app.metrics
    assert (metrics.responses["/predict", 200], metrics.rows, metrics.others["carrier"]) == (
        3,
        3,
        3,
    )
    assert (sum(metrics.seconds.counts), metrics.gathered.counts[0]) == (3, 3)
    app.log._finish()
    (part,) = (tmp_path / "root").glob("predictions/**/*.parquet")
    logged = pl.read_parquet(part)
    assert logged["carrier"].to_list() == ["??"] * 3
    assert logged["__request"].n_unique() == 3
    assert logged["__prediction"].n_unique() == 1


def test_what_polars_alone_can_compute_goes_the_usual_way(tmp_path: Path, connect: Open) -> None:
    model = make_model(tmp_path, 'value = "k"\nkind = "regression"', 'x = "sin(x)"')
    app = make_app(model)
    connection = connect(app)
    for _ in range(2):
        assert not went_quickly(app, lambda: connection.send(post(b'{"x": 1.5}')))[0]


def test_only_so_many_heads_are_known(
    binary: Model, questions: list[Question], connect: Open
) -> None:
    app, body = make_app(binary), json.dumps(questions[0]).encode()
    connection = connect(app)
    for number in range(quick_answers._MOST_HEADS + 10):
        connection.send(post(body, f"traceparent: {number}"))
    assert app.quick._way is not None
    assert len(app.quick._way.heads["127.0.0.1"]) == 10
