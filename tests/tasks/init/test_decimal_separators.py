"""Numbers that people write are drafted as what they are worth."""

import csv
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tasks.core.definition import Definition, parse_definition
from tasks.init.propose import draft_definition
from tasks.sources.query import open_table

ROWS = 300
RNG = np.random.default_rng(3)
LABELS = [("a", "b")[row % 2] for row in range(ROWS)]
NOISE = [str(each) for each in RNG.integers(0, 90, ROWS)]
CENTS = [int(each) for each in RNG.integers(-999_999_99, 999_999_99, ROWS - 2)] + [5, -1234567]
PRICES = [cents / 100 for cents in CENTS]
COUNTS = [int(each) for each in np.exp(RNG.uniform(0, 15, ROWS))]

Read = Callable[..., tuple[pl.DataFrame, Definition, str]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Draft from columns of text, and give the rows that its definition reads."""

    def write_and_read(
        columns: dict[str, Sequence[str | None]], separator: str = ",", kind: str = "csv"
    ) -> tuple[pl.DataFrame, Definition, str]:
        columns = columns | {
            "noise": NOISE,
            "y": LABELS,
        }
        path = tmp_path / f"table.{kind}"
        if kind == "csv":
            with path.open("w", encoding="utf-8", newline="") as file:
                writer = csv.writer(file, delimiter=separator)
                writer.writerow(columns)
                writer.writerows(zip(*columns.values(), strict=True))
        elif kind == "parquet":
            pl.DataFrame(columns).write_parquet(path)
        else:
            pl.DataFrame(columns).write_ndjson(path)
        _, text, _ = draft_definition(
            path.name, "y", time=None, key=(), name=None, project=tmp_path
        )
        definition = parse_definition(text, "drafted")
        rows = open_table(definition, tmp_path).rows.collect()
        return rows, definition, re.sub(r"\n#? *", " ", text)

    return write_and_read


def write_number(value: float, thousands: str, decimal: str, digits: int = 2) -> str:
    text = f"{value:,.{digits}f}"
    return text.replace(",", "\0").replace(".", decimal).replace("\0", thousands)


@pytest.mark.parametrize(
    ("separator", "kind"),
    [(",", "csv"), (";", "csv"), ("\t", "csv"), (",", "parquet"), (",", "ndjson")],
)
@pytest.mark.parametrize(
    ("thousands", "decimal"),
    [
        *((",", "."), (".", ","), (" ", ","), (" ", "."), ("\u00a0", ","), ("\u202f", ",")),
        *(("'", "."), ("\u2019", "."), ("'", ","), ("", ",")),
    ],
)
def test_marks_of_thousands_and_decimals(
    read: Read, thousands: str, decimal: str, separator: str, kind: str
) -> None:
    texts = [write_number(each, thousands, decimal) for each in PRICES]
    rows, _, _ = read({"price": texts}, separator, kind)
    assert rows["price"].to_list() == PRICES


@pytest.mark.parametrize(
    "decorate",
    [
        "$%s",
        "€ %s",
        "%s €",
        "%s EUR",
        "CHF %s",
        "US$ %s",
        "%s zł",
        "R$%s",
        "£%s",
        "%s\u00a0€",
        "%s kr",
        "%s %%",
        "%s%%",
    ],
)
@pytest.mark.parametrize(("thousands", "decimal"), [(",", "."), (".", ",")])
def test_currency_and_percent_are_taken_off(
    read: Read, decorate: str, thousands: str, decimal: str
) -> None:
    texts = [decorate % write_number(each, thousands, decimal) for each in PRICES]
    rows, _, text = read({"price": texts})
    assert rows["price"].to_list() == PRICES
    assert "read as numbers: price (" in text


def negative_in_brackets(value: float) -> str:
    return f"({-value:,.2f})" if value < 0 else f"{value:,.2f}"


@pytest.mark.parametrize(
    "write",
    [
        negative_in_brackets,
        lambda value: f"{abs(value):,.2f}{'-' * (value < 0)}",
        lambda value: f"{value:,.2f}".replace("-", "\u2212"),
        lambda value: f"{'-' * (value < 0)}${abs(value):,.2f}",
        lambda value: f"$ {value:.2f}",
        lambda value: f"({-value:.2f} €)" if value < 0 else f"{value:.2f} €",
        lambda value: f"$({-value:.2f})" if value < 0 else f"${value:.2f}",
        lambda value: f"{'-' * (value < 0)} {abs(value):.2f}",
        lambda value: f"{value:+.2f}",
        lambda value: f"{value:.9e}",
        lambda value: f"{value:.9E}",
        lambda value: f"  {value} ",
    ],
)
def test_signs_and_exponents(read: Read, write: Callable[[float], str]) -> None:
    rows, _, _ = read({"price": [write(each) for each in PRICES]})
    assert rows["price"].cast(pl.Float64).to_list() == pytest.approx(PRICES, rel=1e-9)


@pytest.mark.parametrize("separator", [",", ";"])
@pytest.mark.parametrize("thousands", [".", ",", " ", "'"])
def test_thousands_of_whole_numbers_are_no_decimals(
    read: Read, thousands: str, separator: str
) -> None:
    rows, _, _ = read({"n": [f"{each:,}".replace(",", thousands) for each in COUNTS]}, separator)
    assert rows["n"].to_list() == COUNTS
    assert rows["n"].dtype == pl.Int64


@pytest.mark.parametrize(
    ("mark", "separator", "worth"),
    [
        (".", ",", 1.0),
        (".", ";", 1000.0),
        (",", ";", 1.0),
        (",", ",", 1000.0),
    ],
)
def test_mark_before_three_digits_is_told(
    read: Read, mark: str, separator: str, worth: float
) -> None:
    thousandths = [1000 + 7 * row for row in range(ROWS)]
    texts = [f"{each // 1000}{mark}{each % 1000:03}" for each in thousandths]
    rows, _, text = read({"n": texts}, separator)
    assert rows["n"].to_list() == pytest.approx([each / 1000 * worth for each in thousandths])
    assert "could be" in text


def test_other_columns_tell_what_a_mark_means(read: Read) -> None:
    thousandths = [1000 + 7 * row for row in range(ROWS)]
    texts = [f"{each // 1000}.{each % 1000:03}" for each in thousandths]
    commas = [f"{each / 100:.2f}".replace(".", ",") for each in range(ROWS)]
    rows, _, _ = read({"n": texts, "m": commas}, "\t")
    assert rows["n"].to_list() == thousandths


@pytest.mark.parametrize(
    "texts",
    [
        [f"{row:05}" for row in range(ROWS)],
        [f"{row % 7:03}" for row in range(ROWS)],
        [str(row % 9) if row % 2 else f"0{row % 9}" for row in range(ROWS)],
        [str(12345678901234567890 + row) for row in range(ROWS)],
        [str(10**45 + row) for row in range(ROWS)],
    ],
)
@pytest.mark.parametrize("kind", ["csv", "parquet", "ndjson"])
def test_codes_stay_text(read: Read, texts: list[str], kind: str) -> None:
    rows, _, text = read({"code": texts}, kind=kind)
    assert rows["code"].to_list() == texts
    assert kind != "csv" or "kept as text, for 007 is not 7: code" in text


@pytest.mark.parametrize(
    "texts",
    [
        [f"{('$', '€')[row % 2]}{row}" for row in range(ROWS)],
        [f"{row}{' %' * (row % 2)}" for row in range(ROWS)],
        [f"{row}.5" if row % 3 else f"{row},5" for row in range(ROWS)],
    ],
)
def test_numbers_in_two_forms_stay_text_and_are_told(read: Read, texts: list[str]) -> None:
    rows, _, text = read({"n": texts})
    assert rows["n"].to_list() == texts
    assert "n: numbers in more than one form" in text


@pytest.mark.parametrize(
    "texts",
    [
        [f"10.0.{row % 4}.{row % 256}" for row in range(ROWS)],
        [f"A{row % 90}" for row in range(ROWS)],
        [f"Q{row % 4}" for row in range(ROWS)],
        [f"{row % 60} kg" for row in range(ROWS)],
        [f"030 {row % 60:03} 123" for row in range(ROWS)],
        [f"1.{row % 4}.{row % 9}" for row in range(ROWS)],
        [f"{row % 10}-{row % 7}" for row in range(ROWS)],
    ],
)
def test_what_only_has_digits_is_no_number(read: Read, texts: list[str]) -> None:
    rows, _, text = read({"n": texts})
    assert rows["n"].to_list() == texts
    assert "numbers" not in text.partition("[checks]")[0]


@pytest.mark.parametrize(
    "sign", ["-", "?", "NA", "N/A", "#DIV/0!", "#N/A", "n.a.", "unknown", "None", r"\N", " "]
)
@pytest.mark.parametrize("kind", ["csv", "parquet", "ndjson"])
def test_signs_for_missing_among_such_numbers(read: Read, sign: str, kind: str) -> None:
    texts: list[Any] = [f"€ {each:,.2f}" for each in PRICES]
    texts[::20] = [sign] * len(texts[::20])
    rows, _, _ = read({"price": texts}, kind=kind)
    assert rows["price"].to_list() == [
        None if row % 20 == 0 else each for row, each in enumerate(PRICES)
    ]


def test_target_in_another_convention_is_a_number(tmp_path: Path) -> None:
    lines = [f"{row % 17};{write_number(each, '.', ',')} €" for row, each in enumerate(PRICES)]
    (tmp_path / "t.csv").write_text("x;y\n" + "\n".join(lines))
    _, text, _ = draft_definition("t.csv", "y", time=None, key=(), name=None, project=tmp_path)
    definition = parse_definition(text, "")
    assert definition.target.kind == "regression"
    assert open_table(definition, tmp_path).rows.collect()["y"].to_list() == PRICES
