"""Bad input is refused with a message that names the field; the server stays up and correct."""

import gzip
import json
import random
from io import BytesIO
from typing import Any

import httpx
import polars as pl
import psutil
import pytest
from servers import Served, Versions

ARROW = "application/vnd.apache.arrow.stream"
JSON = {"content-type": "application/json"}
Question = dict[str, Any]

# What stands for the value of a field, and which field that is.
BAD_VALUES = [
    ("temp", '"1.5"'),
    ("temp", "true"),
    ("temp", "NaN"),
    ("temp", "Infinity"),
    ("temp", "-Infinity"),
    ("temp", "1e400"),
    ("temp", "1" + "0" * 400),
    ("temp", "[1.5]"),
    ("temp", "{}"),
    ("distance", "1.5"),
    ("distance", "1" + "0" * 400),
    ("distance", "9223372036854775808"),
    ("distance", "true"),
    ("seats", "9223372036854775808"),
    ("carrier", "1"),
    ("carrier", "[" * 100_000),
    ("time_hour", '"yesterday"'),
    ("time_hour", '"2013-02-30T10:00:00Z"'),
    ("time_hour", '"2013-02-20T10:00:00"'),
    ("time_hour", '"0001-01-01T00:00:00+14:00"'),
    ("time_hour", "1373364000"),
]


def written(question: Question, field: str, value: str) -> str:
    """Write a row as JSON with one value that Python's own writer would refuse."""
    return json.dumps(question | {field: "@"}).replace('"@"', value)


def refused(answer: httpx.Response, field: str | None = None) -> Question:
    assert 400 <= answer.status_code < 500, answer.text
    body: Question = answer.json()
    assert body["error"]
    if field is not None:
        assert body["field"] == field, body
    return body


@pytest.mark.parametrize(("field", "value"), BAD_VALUES)
@pytest.mark.parametrize("shape", ["row", "rows", "columns"])
def test_a_wrong_value_is_refused_by_its_field(
    client: httpx.Client, questions: list[Question], field: str, value: str, shape: str
) -> None:
    body = written(questions[0], field, value)
    if shape == "rows":
        body = f"[{json.dumps(questions[1])}, {body}]"
    elif shape == "columns":
        columns = {name: [each, each] for name, each in questions[0].items()} | {field: ["@", None]}
        body = json.dumps({"columns": columns}).replace('"@"', value)
    answer = client.post("/predict", content=body, headers=JSON)
    assert answer.status_code == 400
    refused(answer, field)


def test_missing_extra_and_repeated_fields_are_refused(
    client: httpx.Client, questions: list[Question]
) -> None:
    row = questions[0]
    less = {name: value for name, value in row.items() if name != "seats"}
    refused(client.post("/predict", json=less), "seats")
    refused(client.post("/predict", json=row | {"colour": "red"}), "colour")
    twice = json.dumps(row)[:-1] + ', "temp": 1.0}'
    refused(client.post("/predict", content=twice, headers=JSON), "temp")
    escaped = json.dumps(row)[:-1] + ', "te\\u006dp": 1.0}'
    refused(client.post("/predict", content=escaped, headers=JSON), "temp")
    rows = f"[{json.dumps(row)}, {twice}]"
    refused(client.post("/predict", content=rows, headers=JSON), "temp")


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"[]", b"null", b"7", b'"row"', b"[[]]", b"[null]", b"{", b"[" * 100_000,
     b'{"columns": {}}', b'{"columns": []}', b'{"columns": 1}', b"\xff\xfe", b"\xef\xbb\xbf{}",
     b'{"rows": [{}]}', b'{"a":' * 50_000],
)  # fmt: skip
def test_a_wrong_shape_is_refused(client: httpx.Client, body: bytes) -> None:
    assert client.post("/predict", content=body, headers=JSON).status_code == 400


def test_columns_must_be_of_one_length(client: httpx.Client, questions: list[Question]) -> None:
    columns = {name: [value] * 2 for name, value in questions[0].items()}
    body = {"columns": columns | {"temp": [1.0]}}
    refused(client.post("/predict", json=body), "temp")
    empty: dict[str, list[Any]] = {name: [] for name in columns}
    refused(client.post("/predict", json={"columns": empty}))


def test_text_that_is_no_utf8_is_refused_by_its_field(
    client: httpx.Client, questions: list[Question]
) -> None:
    body = written(questions[0], "carrier", '"@@"').encode().replace(b"@@", b"\xff\xfe")
    refused(client.post("/predict", content=body, headers=JSON), "carrier")


def test_one_row_too_many_is_refused(client: httpx.Client, questions: list[Question]) -> None:
    columns = {name: [value] * 10_001 for name, value in questions[0].items()}
    assert client.post("/predict", json={"columns": columns}).status_code == 413
    buffer = BytesIO()
    pl.DataFrame({"temp": [1.0] * 10_001}).write_ipc_stream(buffer)
    answer = client.post("/predict", content=buffer.getvalue(), headers={"content-type": ARROW})
    assert answer.status_code == 413


@pytest.mark.parametrize("kind", ["text/csv", "application/x-www-form-urlencoded", None, "a" * 900])
def test_another_content_type_is_refused(
    client: httpx.Client, questions: list[Question], kind: str | None
) -> None:
    headers = {} if kind is None else {"content-type": kind}
    body = json.dumps(questions[0])
    assert client.post("/predict", content=body, headers=headers).status_code == 415
    assert client.post("/explain", content=body, headers=headers).status_code == 415


def test_arrow_that_does_not_fit_is_refused(client: httpx.Client, versions: Versions) -> None:
    good = versions.rows.select(pl.exclude("arr_delay", "tailnum", "flight", "day", "plane_year"))
    buffer = BytesIO()
    good.write_ipc_stream(buffer)
    whole = buffer.getvalue()
    headers = {"content-type": ARROW}
    for cut in (0, 1, 9, 100, len(whole) // 2, len(whole) - 8, len(whole) - 1):
        assert client.post("/predict", content=whole[:cut], headers=headers).status_code == 400
    refused(client.post("/predict", content=whole, headers=headers))
    columns = versions.rows.drop("arr_delay", "tailnum", "flight", "day", strict=False)
    for field, wrong in {
        "temp": pl.col("temp").cast(pl.String),
        "distance": pl.lit(2**63, pl.UInt64),
        "carrier": pl.lit(1),
        "time_hour": pl.col("time_hour").dt.replace_time_zone(None),
        "dewp": pl.lit(2**53 + 1),
        "humid": pl.lit("high"),
    }.items():
        buffer = BytesIO()
        columns.with_columns(wrong.alias(field)).write_ipc_stream(buffer)
        answer = client.post("/predict", content=buffer.getvalue(), headers=headers)
        refused(answer, field)


@pytest.mark.parametrize("ticks", [2**63 - 1, -(2**63)])
def test_a_time_that_no_calendar_has_is_refused_by_its_column(
    client: httpx.Client, versions: Versions, questions: list[Question], ticks: int
) -> None:
    far = pl.Series([ticks]).cast(pl.Datetime("ms", "UTC")).alias("time_hour")
    row = versions.rows.head(1).select(list(questions[0])).with_columns(far)
    answer = client.post("/predict", content=write_stream(row), headers={"content-type": ARROW})
    refused(answer, "time_hour")


def test_small_arrow_that_unpacks_to_much_is_refused_unread(
    client: httpx.Client, served: Served, versions: Versions, questions: list[Question]
) -> None:
    rows = versions.rows.select(list(questions[0]))
    one, many = rows.head(1), rows.head(1).select(pl.all().repeat_by(9_000).explode())
    bombs = [
        (write_stream(pl.select(temp=pl.zeros(10_000_000)), "zstd"), 400),
        (write_stream(one.with_columns(carrier=pl.lit("x" * 100_000_000)), "zstd"), 400),
        (write_stream(many.with_columns(dest=pl.lit("y" * 100_000))), 413),
        (write_stream(many.with_columns(dest=pl.lit("y" * 100_000).cast(pl.Categorical))), 413),
    ]
    before = psutil.Process(served.worker()).memory_info().rss
    for body, status in bombs:
        assert len(body) < 5_000_000
        answer = client.post("/predict", content=body, headers={"content-type": ARROW})
        assert answer.status_code == status, answer.text
        refused(answer)
    assert psutil.Process(served.worker()).memory_info().rss - before < 100_000_000


def write_stream(frame: pl.DataFrame, compression: Any = "uncompressed") -> bytes:
    buffer = BytesIO()
    frame.write_ipc_stream(buffer, compression=compression)
    return buffer.getvalue()


def test_encoded_body_is_refused(client: httpx.Client, questions: list[Question]) -> None:
    packed = gzip.compress(json.dumps(questions[0]).encode())
    headers = JSON | {"content-encoding": "gzip"}
    assert client.post("/predict", content=packed, headers=headers).status_code == 415


def test_unknown_paths_and_methods_are_refused(client: httpx.Client) -> None:
    assert client.get("/predict").status_code == 405
    assert client.post("/model", json={}).status_code == 405
    assert client.get("/static_content/index.css").status_code == 404
    assert client.post("/schema.json", json={}).status_code == 405
    assert client.get("/static_content/../service.py").status_code == 404


def test_mutated_bodies_never_break_the_server(
    client: httpx.Client, questions: list[Question], versions: Versions
) -> None:
    chance = random.Random(7)
    row, rows = json.dumps(questions[0]).encode(), json.dumps(questions[:3]).encode()
    columns = json.dumps({"columns": {k: [v, v] for k, v in questions[0].items()}}).encode()
    buffer = BytesIO()
    versions.rows.head(20).select(list(questions[0])).write_ipc_stream(buffer)
    before = client.post("/predict", content=row, headers=JSON).json()
    for number in range(1_000):
        kind, body = chance.choice(
            [
                *(("application/json", each) for each in (row, rows, columns)),
                (ARROW, buffer.getvalue()),
            ]
        )
        path = "/explain" if number % 5 == 0 else "/predict"
        answer = client.post(path, content=mutate(body, chance), headers={"content-type": kind})
        assert answer.status_code < 500, answer.text
        assert answer.headers["content-type"] == ARROW or json.loads(
            answer.text, parse_constant=fail
        )
    assert client.post("/predict", content=row, headers=JSON).json() == before


def mutate(body: bytes, chance: random.Random) -> bytes:
    """Cut, double, swap or overwrite a few bytes."""
    data = bytearray(body)
    for _ in range(chance.randint(1, 3)):
        place = chance.randrange(len(data) or 1)
        length = chance.randint(0, 12)
        piece = data[place : place + length]
        change = chance.randrange(4)
        if change == 0:
            del data[place : place + length]
        elif change == 1:
            data[place:place] = piece
        elif change == 2:
            data[place : place + 1] = chance.randbytes(1)
        else:
            data[place : place + length] = chance.choice(
                [b"null", b"1e999", b"NaN", b"-", b'"', b"{", b"]", b"true", b"0" * 30, b"\\u0000"]
            )
    return bytes(data)


def fail(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


def test_each_refusal_is_one_line_of_log_without_the_values(
    served: Served, client: httpx.Client, questions: list[Question]
) -> None:
    before = served.output.read_text().count("\n")
    headers = {"x-request-id": "look-for-me"}
    refused(client.post("/predict", json=questions[0] | {"temp": "s3cret"}, headers=headers))
    lines = served.output.read_text().splitlines()[before:]
    (line,) = [line for line in lines if "look-for-me" in line]
    assert "400 /predict" in line
    assert "'temp'" in line
    assert "s3cret" not in served.output.read_text()
    assert "Traceback" not in served.output.read_text()
