"""The quick way through simple expressions gives what Polars gives, or hands over to it."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from servers import Versions

from bentos.column_values import frame_rows
from bentos.columns import Column
from bentos.expression_translator import Unknown
from bentos.model import find_program, load_folder
from bentos.row_compiler import agrees, compile_rows
from bentos.synthetic_rows import make_synthetic_rows
from tasks.features.transform import Features, Vocabulary, encode_expressions, feature_expressions

TYPES = {
    "small": pl.Int8(),
    "whole": pl.Int64(),
    "number": pl.Float64(),
    "single": pl.Float32(),
    "flag": pl.Boolean(),
    "word": pl.String(),
    "at": pl.Datetime("us", "UTC"),
    "local": pl.Datetime("us"),
    "abroad": pl.Datetime("us", "America/New_York"),
    "day": pl.Date(),
    "clock": pl.Time(),
    "span": pl.Duration("us"),
}
COLUMNS = tuple(Column(name=name, dtype=dtype) for name, dtype in TYPES.items())
QUICK = [
    "small",
    "single",
    "flag",
    "small // 7 * 3 + small % 7",
    "small * 100",
    "whole - 2013",
    "2013 - whole",
    "small % small",
    "small // small",
    "number * 2",
    "number + small",
    "small / whole",
    "DATE_PART('isodow', at)",
    "DATE_PART('hour', local)",
    "DATE_PART('year', at)",
    "DATE_PART('isodow', at - INTERVAL '5 hours')",
    "DATE_PART('hour', local + INTERVAL '90 minutes')",
]
SLOW = [
    "single * single",
    "sin(number)",
    "CASE WHEN small > 3 THEN 1 ELSE 2 END",
    "single * 2",
    "COALESCE(small, 0)",
    "DATE_PART('day', at - INTERVAL '1 month')",
    "DATE_PART('week', at)",
    "DATE_PART('hour', abroad)",
    "DATE_PART('month', day)",
    "DATE_PART('hour', clock)",
    "DATE_PART('hour', STRPTIME(word, '%H'))",
    "span > INTERVAL '1 hour'",
    "small + single",
    "number % 2",
    "small + NULL",
]
VOCABULARY = Vocabulary(categories={"word": ("a", "ÄÖ")})


def features_of(sql: str) -> Features:
    columns = {name: str(dtype) for name, dtype in TYPES.items()}
    expressions = {"value": sql, "word": "word"}
    return Features(expressions=expressions, categories=("word",), columns=columns)


def by_polars(sql: str, frame: pl.DataFrame) -> "np.ndarray[tuple[int, int], np.dtype[np.float64]]":
    evaluated = frame.select(feature_expressions(features_of(sql)))
    encode = encode_expressions(features_of(sql), VOCABULARY, evaluated.schema)
    return evaluated.select(each.cast(pl.Float64) for each in encode).to_numpy()


@pytest.mark.parametrize("sql", QUICK)
def test_simple_expressions_agree_with_polars(sql: str) -> None:
    rows = make_synthetic_rows(COLUMNS, 400, ["a", "ÄÖ"])
    expected = by_polars(sql, frame_rows(COLUMNS, rows))
    assert agrees(compile_rows(features_of(sql), VOCABULARY, COLUMNS), rows, expected)


@pytest.mark.parametrize("sql", SLOW)
def test_what_is_not_known_exactly_is_left_to_polars(sql: str) -> None:
    with pytest.raises(Unknown):
        compile_rows(features_of(sql), VOCABULARY, COLUMNS)


def test_a_category_that_is_computed_is_left_to_polars() -> None:
    columns = {name: str(dtype) for name, dtype in TYPES.items()}
    made = Features(expressions={"w": "LOWER(word)"}, categories=("w",), columns=columns)
    with pytest.raises(Unknown):
        compile_rows(made, Vocabulary(categories={"w": ()}), COLUMNS)


def test_a_difference_is_seen() -> None:
    rows = make_synthetic_rows(COLUMNS, 100)
    program = compile_rows(features_of("small"), VOCABULARY, COLUMNS)
    expected = by_polars("small + 1", frame_rows(COLUMNS, rows))
    assert not agrees(program, rows, expected)


def test_the_flights_take_the_quick_way(versions: Versions) -> None:
    model = load_folder(versions.folder(versions.second))
    assert model.program is not None


def test_a_quick_way_that_differs_is_not_taken(
    versions: Versions, caplog: pytest.LogCaptureFixture
) -> None:
    model = load_folder(versions.folder(versions.second))
    assert find_program(replace(model, encode=tuple(each + 1 for each in model.encode))) is None
    assert "features are left to Polars, as they came out differently" in caplog.text
