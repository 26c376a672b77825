"""Whichever way a value comes, it is taken or refused alike, and as the same value."""

import json
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest
from tables import define

from bentos import column_values
from bentos.column_values import frame_rows
from bentos.columns import Column
from bentos.errors import RequestRefused
from bentos.request_validation import RequestSchema
from tasks.core.definition import parse_definition
from tasks.core.errors import DataRefused
from tasks.sources.input_table import open_input

NEW_YORK, LOCAL = pl.Datetime("us", "America/New_York"), pl.Datetime("us")
WHOLE, NUMBER, TEXT, FLAG, PRICE = (
    *(pl.Int64(), pl.Float64(), pl.String(), pl.Boolean()),
    pl.Decimal(10, 2),
)
NOON, DAY, NAN = datetime(2024, 1, 2, 12), date(2024, 1, 2), float("nan")
MIDNIGHT, HOUR = datetime(2024, 1, 2), timedelta(hours=1)
Z_NOON = NOON.replace(tzinfo=UTC)
FORMS = ("parquet", "csv", "ndjson", "arrow", "row", "rows", "columns")

# Wanted, sent, and what is taken of it; None: it is refused.
CASES: list[tuple[pl.DataType, pl.Series, list[Any] | None]] = [
    (WHOLE, pl.Series([1, None, 3]), [1, None, 3]),
    (WHOLE, pl.Series([1.0, None, 2.0]), [1, None, 2]),
    (WHOLE, pl.Series([1.0, NAN]), [1, None]),
    (WHOLE, pl.Series([-0.0, 2.0**53 - 1, 1 - 2.0**53]), [0, 2**53 - 1, 1 - 2**53]),
    (WHOLE, pl.Series([2.5, 1.0]), None),
    (WHOLE, pl.Series([float("inf")]), None),
    (WHOLE, pl.Series([1e17]), None),
    (WHOLE, pl.Series([2**63], dtype=pl.UInt64), None),
    (WHOLE, pl.Series([True, False]), None),
    (WHOLE, pl.Series([[1]]), None),
    (WHOLE, pl.Series([NOON]), None),
    (WHOLE, pl.Series([Decimal("2.00")], dtype=PRICE), [2]),
    (WHOLE, pl.Series([Decimal("2.50")], dtype=PRICE), None),
    (WHOLE, pl.Series([None, None], dtype=pl.String), [None, None]),
    (WHOLE, pl.Series([None, None], dtype=pl.Null), [None, None]),
    (pl.Int8(), pl.Series([127, -128]), [127, -128]),
    (pl.Int8(), pl.Series([128]), None),
    (pl.Int8(), pl.Series([127.0, -128.0]), [127, -128]),
    (pl.Int8(), pl.Series([128.0]), None),
    (pl.UInt64(), pl.Series([2**64 - 1], dtype=pl.UInt64), [2**64 - 1]),
    (pl.UInt64(), pl.Series([-1]), None),
    (pl.UInt64(), pl.Series([0.0, 2.0**53 - 1]), [0, 2**53 - 1]),
    (pl.UInt64(), pl.Series([-1.0]), None),
    (NUMBER, pl.Series([1.5, None]), [1.5, None]),
    (NUMBER, pl.Series([1, 2]), [1.0, 2.0]),
    (NUMBER, pl.Series([2**53 + 1]), None),
    (NUMBER, pl.Series([2**53]), [2.0**53]),
    (NUMBER, pl.Series([1e20, -1e300]), [1e20, -1e300]),
    (NUMBER, pl.Series([NAN, 1.5]), [NAN, 1.5]),
    (NUMBER, pl.Series([True]), None),
    (NUMBER, pl.Series([Decimal("0.10")], dtype=PRICE), [0.1]),
    (pl.Float32(), pl.Series([0.1]), [0.1]),
    (pl.Float32(), pl.Series([1e300]), None),
    (pl.Float32(), pl.Series([2**24 + 1]), None),
    (PRICE, pl.Series([3.25, 0.1]), [Decimal("3.25"), Decimal("0.10")]),
    (PRICE, pl.Series([3]), [Decimal("3.00")]),
    (PRICE, pl.Series([3.257]), None),
    (PRICE, pl.Series([1e14]), None),
    (TEXT, pl.Series(["007", None]), ["007", None]),
    (TEXT, pl.Series(["a", "b"], dtype=pl.Categorical), ["a", "b"]),
    (TEXT, pl.Series(["a", "b"], dtype=pl.Enum(["a", "b"])), ["a", "b"]),
    (TEXT, pl.Series([NAN, None]), [None, None]),
    (FLAG, pl.Series([True, None]), [True, None]),
    (FLAG, pl.Series([0, 1]), None),
    (LOCAL, pl.Series([NOON], dtype=pl.Datetime("ns")), [NOON]),
    (LOCAL, pl.Series([NOON], dtype=pl.Datetime("ms")), [NOON]),
    (LOCAL, pl.Series([DAY]), [MIDNIGHT]),
    (LOCAL, pl.Series([Z_NOON]), None),
    (LOCAL, pl.Series([1704196800000]), None),
    (LOCAL, pl.Series(["2024-01-02T12:00:00", "2024-01-02 12:00"]), [NOON, NOON]),
    (LOCAL, pl.Series(["2024-01-02", "9999-12-31"]), [MIDNIGHT, datetime(9999, 12, 31)]),
    (LOCAL, pl.Series(["2024-01-02T12:00:00Z"]), None),
    (LOCAL, pl.Series(["2024-01-02T12:00:00-05:00"]), None),
    (LOCAL, pl.Series(["01/02/2024 12:00"]), None),
    (LOCAL, pl.Series(["2024-02-30"]), None),
    (pl.Datetime("ms"), pl.Series([NOON]), [NOON]),
    (pl.Datetime("ms"), pl.Series([NOON + timedelta(microseconds=5)]), None),
    (pl.Datetime("ns"), pl.Series([datetime(3000, 1, 1)]), None),
    (NEW_YORK, pl.Series([Z_NOON]), [Z_NOON]),
    (NEW_YORK, pl.Series([NOON]), None),
    (NEW_YORK, pl.Series([DAY]), None),
    (NEW_YORK, pl.Series(["2024-01-02T12:00:00Z", "2024-01-02 17:30:00+05:30"]), [Z_NOON] * 2),
    (NEW_YORK, pl.Series(["2024-01-02T12:00:00"]), None),
    (pl.Date(), pl.Series([DAY]), [DAY]),
    (pl.Date(), pl.Series([MIDNIGHT]), [DAY]),
    (pl.Date(), pl.Series([NOON]), None),
    (pl.Date(), pl.Series(["2024-01-02"]), [DAY]),
    (pl.Date(), pl.Series([19724]), None),
    (pl.Time(), pl.Series([time(10, 30)]), [time(10, 30)]),
    (pl.Time(), pl.Series(["10:30", "10:30:00.5"]), [time(10, 30), time(10, 30, 0, 500_000)]),
    (pl.Time(), pl.Series(["10:30:00Z"]), None),
    (pl.Time(), pl.Series([10]), None),
    (pl.Duration("us"), pl.Series([HOUR], dtype=pl.Duration("ms")), [HOUR]),
    (pl.Duration("us"), pl.Series(["PT90M"]), [timedelta(minutes=90)]),
    (pl.Duration("us"), pl.Series([90]), None),
    (pl.Null(), pl.Series([None], dtype=pl.Int64), [None]),
    (pl.Null(), pl.Series([1]), None),
]  # fmt: skip
# Only text that says nothing of types, as cells of CSV do, may stand for something else.
IN_WORDS: list[tuple[pl.DataType, list[str], list[Any] | None]] = [
    (WHOLE, ["2", "2.0", " 3 ", "+4", "1e3", "NaN"], [2, 2, 3, 4, 1000, None]),
    (WHOLE, ["2.5"], None),
    (WHOLE, ["far"], None),
    (WHOLE, ["9223372036854775808"], None),
    (NUMBER, ["1.5", "2", "NaN", "inf"], [1.5, 2.0, NAN, float("inf")]),
    (NUMBER, ["1,5"], None),
    (NUMBER, ["1e400"], None),
    (NUMBER, ["9007199254740993"], None),
    (PRICE, ["3.25"], [Decimal("3.25")]),
    (PRICE, ["3.257"], None),
    (FLAG, ["true", "False"], [True, False]),
    (FLAG, ["1"], None),
]
NAMES = [f"{wanted}-{sent.dtype}-{n}" for n, (wanted, sent, _) in enumerate(CASES)]


@pytest.mark.parametrize(("wanted", "sent", "taken"), CASES, ids=NAMES)
def test_a_value_is_taken_or_refused_alike_in_every_form(
    wanted: pl.DataType, sent: pl.Series, taken: list[Any] | None, tmp_path: Path
) -> None:
    for form in FORMS:
        if can_write(sent, wanted, form):
            check(form, wanted, sent.alias("v"), taken, tmp_path)


@pytest.mark.parametrize(("wanted", "sent", "taken"), IN_WORDS)
def test_text_stands_for_another_type_where_a_form_has_no_types(
    wanted: pl.DataType, sent: list[str], taken: list[Any] | None, tmp_path: Path
) -> None:
    for form in FORMS:
        check(form, wanted, pl.Series("v", sent), taken if form == "csv" else None, tmp_path)


@pytest.mark.parametrize("form", sorted({*FORMS} - {"csv"}))  # a cell of CSV is read by its digits
def test_a_float_that_is_its_neighbour_as_well_is_no_whole_number(
    form: str, tmp_path: Path
) -> None:
    check(form, WHOLE, pl.Series("v", [1.0, 2.0**53]), None, tmp_path)


@pytest.mark.parametrize("form", ["row", "rows", "columns"])
def test_whole_numbers_written_as_floats_never_leave_the_quick_way(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the rule itself, column by column, one row takes milliseconds of the event loop."""
    monkeypatch.setattr(column_values, "take_objects", None)
    check(form, WHOLE, pl.Series("v", [1.0, None, 2.0]), [1, None, 2], tmp_path)


def test_a_whole_number_written_as_a_float_is_not_blamed_for_another_value() -> None:
    columns = (Column(name="a", dtype=WHOLE), Column(name="b", dtype=WHOLE))
    with pytest.raises(RequestRefused, match=r"b must be .*; this is true or false") as refused:
        RequestSchema(columns, 100).decode_row(b'{"a": 2.0, "b": true}')
    assert refused.value.field == "b"


def can_write(sent: pl.Series, wanted: pl.DataType, form: str) -> bool:
    """Tell whether a form can say this, and says it as what it is."""
    if form == "csv":  # a cell is text: of another type nothing is left
        plain = sent.dtype.is_nested() or sent.dtype == pl.Duration
        other = (
            wanted == pl.String
            or wanted == pl.Null
            or (sent.dtype == pl.Float64 and wanted == pl.Date)
        )
        return not plain and not other
    if form in ("parquet", "arrow"):
        return True
    return not (sent.dtype.is_float() and not sent.drop_nulls().is_finite().all())


def check(
    form: str, wanted: pl.DataType, sent: pl.Series, taken: list[Any] | None, folder: Path
) -> None:
    if taken is not None:
        expected = pl.Series("v", taken, wanted, strict=False)
        assert take(form, wanted, sent, folder).equals(expected, null_equal=True, check_dtypes=True)
        return
    with pytest.raises((DataRefused, RequestRefused)) as refused:
        take(form, wanted, sent, folder)
    if isinstance(refused.value, DataRefused):
        said = str(refused.value)
        assert said.startswith(f"{folder}/sent.{form}: column 'v' ")
        assert str(wanted) in said
        assert "give " in said or "list" in said
        assert refused.value.exit_code == 3
    else:
        assert isinstance(refused.value, RequestRefused)
        assert (refused.value.status, refused.value.field) == (400, "v")


def take(form: str, wanted: pl.DataType, sent: pl.Series, folder: Path) -> pl.Series:
    """Give what score, or the service, takes of a column."""
    frame, schema = sent.to_frame(), RequestSchema((Column(name="v", dtype=wanted),), 100)
    path = folder / f"sent.{form}"
    if form == "arrow":
        buffer = BytesIO()
        frame.write_ipc_stream(buffer)
        found = schema.decode_arrow(buffer.getvalue()).rows
        assert isinstance(found, pl.DataFrame)
        return found["v"]
    values = [write_value(value) for value in sent]
    if form == "parquet":
        frame.write_parquet(path)
    elif form == "csv":
        frame.with_columns(pl.lit("x").alias("w")).write_csv(path)
    elif form == "ndjson":
        path.write_text("".join(json.dumps({"v": value}) + "\n" for value in values))
    elif form == "row":
        rows = [schema.decode_row(json.dumps({"v": value}).encode()) for value in values]
        return frame_rows(schema.columns, rows)["v"]
    elif form == "rows":
        asked = schema.decode_json(json.dumps([{"v": value} for value in values]).encode())
        assert isinstance(asked.rows, list)
        return frame_rows(schema.columns, asked.rows)["v"]
    else:
        asked = schema.decode_json(json.dumps({"columns": {"v": values}}).encode())
        assert isinstance(asked.rows, pl.DataFrame)
        return asked.rows["v"]
    definition = parse_definition(define(), "made.toml")
    table = open_input(definition, {}, {"v": wanted}, lambda _: ["v"], str(path))
    return table.read(table.rows.collect())["v"]


def write_value(value: Any) -> Any:
    if isinstance(value, pl.Series):
        return value.to_list()
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, timedelta):
        return msgspec.to_builtins(value)
    return value.isoformat() if isinstance(value, date | datetime | time) else value
