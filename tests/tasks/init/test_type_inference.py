"""Every column gets the type that loses none of its values."""

import json
from pathlib import Path

import polars as pl
import pytest
from drafts import ROWS, Draft, X, Y, line_of, unwrap


def test_german_csv_is_read_as_numbers_and_dates(draft_csv: Draft) -> None:
    def line(row: int) -> str:
        price = "-" if row % 17 == 0 else f"{X[row]:.2f}"
        numbers = f"{row * 7};{170 + X[row]:.1f};{price};{row % 7}".replace(".", ",")
        when = f"{1 + row % 28:02}.{1 + row // 60:02}.2021 {row % 24:02}:30"
        return f'{numbers};"d""{row % 3}";{when};{"ja" if Y[row] > 0.5 else "nein"}'

    header = '\ufeffKunden Nr;größe (cm);preis.€;$x[0];"a;b";wann;Ziel'
    definition, _ = draft_csv(header, line, "Ziel")
    assert definition.sources["table"].separator == ";"
    assert definition.sources["table"].null_values == ("-",)
    assert definition.extract.time == "wann"
    rules = definition.checks.columns
    assert rules["größe (cm)"].type == rules["preis.€"].type == "number"
    assert definition.target.value == "Ziel = 'ja'"


def test_padded_numbers_thousands_and_american_dates_are_read(draft_csv: Draft) -> None:
    def line(row: int) -> str:
        state = "?" if row % 9 == 0 else ("NY", "NJ", "CA")[row % 3]
        number = "NA" if row % 11 == 0 else row % 40
        when = f"{1 + row // 60}/{1 + row % 28}/2022"
        return f'{row * 3}, {state},"{900 + row * 3:,}", {number},{when},{Y[row]:.2f}'

    definition, text = draft_csv("order, State ,amount,select,when,target", line, "target")
    assert definition.sources["table"].null_values == (" ?", " NA")
    assert "STRPTIME(when, '%m/%d/%Y')" in (definition.extract.query or "")
    assert definition.features is not None
    assert definition.features["State"] == '" State "'
    assert definition.features["select"] == '"select"'
    assert {definition.checks.columns[name].type for name in ("amount", "select")} == {"number"}
    assert "' NA' stands for missing in select" in text


def test_type_that_late_rows_break_is_written_down(draft: Draft, tmp_path: Path) -> None:
    rows = "".join(f"{row % 9},{row % 5},{row * 7 % 11}\n" for row in range(100_100))
    (tmp_path / "late.csv").write_text(f"a,b,y\n{rows}" + "1.5,x,3\n" * 50)
    definition, _ = draft("late.csv", "y")
    assert definition.sources["late"].types == {"a": "number", "b": "text"}


def test_ndjson_with_nested_values_and_zoned_times(draft: Draft, tmp_path: Path) -> None:
    lines = [
        {
            "id": row * 3 + 5,
            "n": "NA" if row % 9 == 0 else str(row % 60),
            "o": {"a": [1]},
            "when": f"2022-{1 + row // 60:02}-{1 + row % 28:02}T10:00:00Z",
            "y": Y[row],
        }
        for row in range(ROWS)
    ]
    (tmp_path / "lines.json").write_text("\n".join(map(json.dumps, lines)))
    definition, text = draft("lines.json", "y")
    assert definition.sources["lines"].format == "ndjson"
    assert definition.extract.time == "when"
    assert definition.extract.key == ("id",)
    assert definition.checks.columns["n"].type == "number"
    assert "Struct" in line_of(text, "# o ")


@pytest.mark.parametrize("kind", ["parquet", "csv", "ndjson"])
def test_column_that_came_later_is_told_and_null_before(
    draft: Draft, tmp_path: Path, kind: str
) -> None:
    rows = pl.DataFrame({"x": X, "y": Y, "late": X**3})
    for month, part in ((1, rows[:300].drop("late")), (2, rows[300:])):
        file = tmp_path / f"month={month}" / f"part.{kind}"
        file.parent.mkdir()
        getattr(part, f"write_{kind}")(file)
    definition, text = draft(f"*/*.{kind}", "y")
    assert definition.sources["data"].missing_columns == "null"
    assert "not in every file, and null where missing: late" in unwrap(text)
    assert {"late", "month"} <= set(definition.features or {})
