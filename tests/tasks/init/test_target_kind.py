"""A target's kind is told by its values, and so is which of them is true."""

import math
from datetime import datetime, timedelta
from typing import Any

import pytest
from drafts import FLIGHTS, RNG, ROWS, Draft, X, unwrap

from tasks.core.errors import DefinitionError


def test_classes_with_too_few_rows_are_left_out(draft: Draft) -> None:
    definition, text = draft(str(FLIGHTS / "planes.parquet"), "engines")
    assert definition.target.value == "CASE WHEN engines IN (2, 1) THEN engines = 2 END"
    assert "left out: '4' (4 rows), '3' (3 rows)" in text


@pytest.mark.parametrize(
    ("values", "kind", "value"),
    [
        ([row % 4 == 0 for row in range(ROWS)], "binary", "y"),
        ([row % 2 for row in range(ROWS)], "binary", "y"),
        ([float(row % 2) for row in range(ROWS)], "binary", "y"),
        ([1 + row % 2 for row in range(ROWS)], "binary", "y = 2"),
        (["it's" if row % 3 == 0 else 'a "b"' for row in range(ROWS)], "binary", "y = 'it''s'"),
        (["abc"[row % 3] for row in range(ROWS)], "multiclass", "y"),
        ([row % 5 for row in range(ROWS)], "multiclass", "y"),
        (
            [float(row % 5) if row % 7 else None for row in range(ROWS)],
            "multiclass",
            "CAST(y AS BIGINT)",
        ),
        ([row % 5 / 2 for row in range(ROWS)], "regression", "y"),
        ([row * 7 % 60 for row in range(ROWS)], "regression", "y"),
        (
            [math.inf if row == 9 else X[row] for row in range(ROWS)],
            "regression",
            "CASE WHEN ABS(y) < 1e308 THEN y END",
        ),
    ],
)
def test_target_decides_the_kind(
    draft_columns: Draft, values: list[Any], kind: str, value: str
) -> None:
    definition, _ = draft_columns(columns={"y": values, "z": RNG.normal(size=ROWS)})
    assert (definition.target.kind, definition.target.value) == (kind, value)


@pytest.mark.parametrize(
    ("counts", "kind"),
    [
        pytest.param([300, 150, 60, 40, 30, 9, 8, 3], "regression", id="the large are rare"),
        pytest.param([300, 9, 150, 60, 40, 8, 30, 3], "multiclass", id="codes are rare anywhere"),
        pytest.param([300, 290, 6, 4], "binary", id="too few to tell"),
    ],
)
def test_a_count_is_a_number_whose_rare_large_values_stay(
    draft_columns: Draft, counts: list[int], kind: str
) -> None:
    values = [value for value, count in enumerate(counts) for _ in range(count)]
    columns = {"y": RNG.permutation(values[:ROWS]), "z": RNG.normal(size=ROWS)}
    definition, text = draft_columns(columns=columns)
    assert definition.target.kind == kind
    assert ("left out: " in text) == (kind != "regression")


def test_class_that_comes_after_the_holdout_begins_is_left_out(draft_columns: Draft) -> None:
    definition, _ = draft_columns(
        columns={
            "y": ["new" if row > 550 else "abc"[row % 3] for row in range(ROWS)],
            "when": [datetime(2022, 1, 1) + timedelta(hours=row) for row in range(ROWS)],
        }
    )
    assert definition.target.value == "CASE WHEN y IN ('a', 'b', 'c') THEN y END"


def test_text_of_too_many_kinds_is_no_target(draft_columns: Draft) -> None:
    with pytest.raises(DefinitionError, match="has 600 different texts, of which 0 are"):
        draft_columns(columns={"y": [f"text {row}" for row in range(ROWS)]})


@pytest.mark.parametrize(
    ("words", "value"),
    [
        (("yes", "no"), "y = 'yes'"),
        (("Ja", "Nein"), "y = 'Ja'"),
        (("True", "False"), "y"),
        (("Y", "N"), "y = 'Y'"),
        (("t", "f"), "y = 't'"),
        (("good", "bad"), "y = 'bad'"),
    ],
)
def test_yes_is_true_even_where_it_is_frequent(
    draft_csv: Draft, words: tuple[str, str], value: str
) -> None:
    definition, _ = draft_csv("x,y", lambda row: f"{X[row]},{words[row % 3 == 0]}", "y")
    assert definition.target.value == value


def test_spellings_of_yes_and_no_are_one_question(draft_csv: Draft) -> None:
    words = ("Yes", "yes", "no", "YES", "No ", "NO", "y")
    definition, text = draft_csv("x,y", lambda row: f"{X[row]},{words[row % 7]}", "y")
    assert definition.target.kind == "binary"
    assert definition.target.value == "y IN ('YES', 'Yes', 'y', 'yes')"
    assert "7 spellings of yes and no" in unwrap(text)
