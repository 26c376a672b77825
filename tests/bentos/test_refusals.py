"""Whoever sends what does not fit is told in a sentence what would."""

import json
from typing import Any

import pytest
from any_model import QUESTION, ask, write

from bentos.app import PredictionApp

ROW = json.dumps(QUESTION).encode()


def body_of(**columns: Any) -> bytes:
    table = {name: [value, value] for name, value in QUESTION.items()}
    return json.dumps({"columns": table | columns}).encode()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (write(x="warm"), "x must be a number; this is text"),
        (write(x=[1]), "x must be a number; this is a list"),
        (write(flag=1), "flag must be true or false; this is a number"),
        (write(big=1.5), "big must be a whole number, not below 0; this is 1.5"),
        (write(big=-1), "big must be a whole number, not below 0; this is -1"),
        (write(day="soon"), "day must be a date, as 2013-07-31; this is the text 'soon'"),
        (write(price=1.234),
         "price must be a number with at most 2 decimals; 1.234 would be rounded"),
        (write(colour="red"), "colour is no column of this model; did you mean 'color'?"),
        (write(zzz=1), "zzz is no column of this model; see /docs for its columns"),
        (ROW.replace(b'"flag"', b'"flog"').replace(b', "flog": true', b""),
         "flag is missing; give true or false, or null where it is not known"),
        (b'{"x": NaN}',
         "x holds what JSON cannot say, NaN or infinity; send null where it is missing"),
        (b"", "the body is empty; send a row as JSON"),
        (b'{"x": 1', "the body ends before its JSON does"),
        (b"3",
         "a row must be an object of the columns' names and their values; this is a number"),
        (b"[[1]]",
         "a row must be an object of the columns' names and their values; this is a list"),
        (b"[]", "there are no rows to answer; send one at least"),
        (b'{"columns": {"x": 1}}',
         "x must be a list of values, one for each row; this is a number"),
        (body_of(x=[1.0]), "x has 1 values and another column has 2; give one for each row"),
        (body_of(x=[1.0, "warm"]), "x must be a number; this is text"),
        (body_of(day=["2020-01-01", "soon"]),
         "day must be a date, as 2013-07-31; this is the text 'soon' (row 2)"),
        (body_of(day=[2, "2020-01-01"]), "day must be a date, as 2013-07-31; this is a number"),
        (body_of(big=[1, 1e30]), "big must be a whole number, not below 0; this is 1e+30 (row 2)"),
        (ROW[:-1] + b', "x": 2}', "x is given twice; give it once"),
        (body_of()[:-1] + b', "x": 1}', 'x must stand inside "columns", not beside it'),
    ],
)  # fmt: skip
def test_a_refusal_says_what_would_be_right(app: PredictionApp, body: bytes, said: str) -> None:
    status, answer = ask(app, "/predict", body)
    assert (status, answer["error"]) == (400, said)
