"""A drafted definition says what was seen, and `retrain` takes it as it is."""

import gzip
import json
import math
import tomllib
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from flows.retrain import plan_retrain
from tasks.analysis.data_contract import check_contract
from tasks.analysis.profile import profile_table
from tasks.core.checks import failed
from tasks.core.definition import Definition, parse_definition
from tasks.core.errors import DefinitionError, PerennialError, SourceError
from tasks.extraction.snapshot import describe_snapshot, extract_snapshot
from tasks.init.column_survey import write_column
from tasks.init.leakage import judge_alone
from tasks.init.propose import draft_definition, find_place, settle_name, write_draft
from tasks.preparation.split import prepare_rows
from tasks.sources.query import open_table

FLIGHTS = Path(__file__).parents[3] / "data" / "nycflights13"
OTHER = Path(__file__).parents[4] / "shared" / "data" / "other"
RNG = np.random.default_rng(1)
ROWS = 600
X = RNG.normal(size=ROWS)
Y = 2 * X + RNG.normal(size=ROWS)

with_other = pytest.mark.skipif(not OTHER.is_dir(), reason="adult and bike_hour are not here")
Drafted = tuple[Definition, str]
Draft = Callable[..., Drafted]


@pytest.fixture
def draft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Draft:
    """Draft a definition, and see it keep its own contract and split into numbered rows."""
    monkeypatch.setenv("PERENNIAL_ROOT", str(tmp_path / "root"))

    def draft_and_prepare(data: str, target: str, **given: Any) -> Drafted:
        options: dict[str, Any] = {"time": None, "key": (), "name": None} | given
        name, text, _ = draft_definition(data, target, project=tmp_path, **options)
        path = tmp_path / f"{name}.toml"
        path.write_text(text)
        plan = plan_retrain(str(path), None)
        table = open_table(plan.definition, plan.project)
        folder = tmp_path / f"run-{name}"
        snapshot = describe_snapshot(plan, table, extract_snapshot(plan, table, folder))
        profile = profile_table(snapshot.scan())
        assert not failed(check_contract(plan, snapshot, profile))
        prepare_rows(plan, snapshot, folder)
        return plan.definition, text

    return draft_and_prepare


@pytest.fixture
def draft_csv(draft: Draft, tmp_path: Path) -> Draft:
    """Draft from a CSV file of ROWS lines, each made from its number."""

    def write_and_draft(
        header: str, line: Callable[[int], str], target: str, **given: Any
    ) -> Drafted:
        lines = [header, *map(line, range(ROWS))]
        (tmp_path / "table.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        return draft("table.csv", target, **given)

    return write_and_draft


@pytest.fixture
def draft_columns(draft: Draft, tmp_path: Path) -> Draft:
    """Draft from a Parquet file of these columns; the target is `y` if it is not among them."""

    def write_and_draft(target: str = "y", columns: Any = None, **given: Any) -> Drafted:
        pl.DataFrame({"x": X, "y": Y} | (columns or {})).write_parquet(tmp_path / "table.parquet")
        return draft("table.parquet", target, **given)

    return write_and_draft


def line_of(text: str, start: str) -> str:
    """Give the line of the file's first half, before the checks name columns again."""
    written = text.partition("[checks]")[0].splitlines()
    (line,) = [line for line in written if line.startswith(start)]
    return line


def unwrap(text: str) -> str:
    """Write each comment in one line."""
    return text.replace("\n# ", " ")


@with_other
def test_bikes_are_counted_without_what_adds_up_to_the_count(draft: Draft) -> None:
    definition, text = draft(str(OTHER / "bike_hour.csv"), "cnt")
    assert definition.target.kind == "regression"
    assert definition.extract.time == "dteday"
    assert definition.extract.key == ("dteday", "hr")
    assert definition.features is not None
    assert {"hr", "temp", "weekday"} < set(definition.features)
    assert not {"instant", "dteday", "casual", "registered"} & set(definition.features)
    assert "adds up to it with casual, R² 0.95" in line_of(text, "# registered")
    assert "counts the rows" in line_of(text, "# instant")


@with_other
def test_salaries_keep_their_strong_features(draft: Draft) -> None:
    definition, _ = draft(str(OTHER / "adult.csv"), "salary")
    assert definition.target.value == "salary = '>50K'"
    assert definition.sources["adult"].null_values == ("?",)
    assert definition.extract.time is None
    assert definition.features is not None
    assert len(definition.features) == 14
    low, high = definition.checks.label_rate or (0, 0)
    assert low < 0.2408 < high


def test_planes_are_told_apart_by_their_tail_number(draft: Draft) -> None:
    definition, text = draft(str(FLIGHTS / "planes.parquet"), "seats")
    assert definition.extract.key == ("tailnum",)
    assert "names the row" in line_of(text, "# tailnum")


def test_classes_with_too_few_rows_are_left_out(draft: Draft) -> None:
    definition, text = draft(str(FLIGHTS / "planes.parquet"), "engines")
    assert definition.target.value == "CASE WHEN engines IN (2, 1) THEN engines = 2 END"
    assert "left out: '4' (4 rows), '3' (3 rows)" in text


def test_departure_delay_is_questioned_but_kept(draft: Draft) -> None:
    definition, text = draft(str(FLIGHTS / "flights-2013-01.parquet"), "arr_delay")
    assert definition.extract.time == "time_hour"
    assert "dep_delay" in (definition.features or {})
    assert "is it known in advance?" in line_of(text, "dep_delay")
    assert "# 606 of 27,004 rows have no target" in text


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


def test_word_among_many_numbers_is_missing_and_among_few_codes_a_code(draft_csv: Draft) -> None:
    def line(row: int) -> str:
        odd = row % 20 == 0
        return f"{'unknown' if odd else row % 300},{'A' if odd else row % 4},{Y[row]}"

    definition, _ = draft_csv("size,grade,y", line, "y")
    assert definition.sources["table"].null_values == ("unknown",)
    assert definition.checks.columns["size"].type == "number"
    assert definition.checks.columns["grade"].values == ("0", "1", "2", "3", "A")


def test_minus_can_be_a_class_and_missing_in_one_table(draft_csv: Draft) -> None:
    def line(row: int) -> str:
        number = "-" if row % 9 == 0 else row % 40
        return f"{X[row]:.3f}|{number}|{'+' if Y[row] > 0.5 else '-'}"

    definition, text = draft_csv("a|b|class", line, "class")
    assert definition.target.value == "class = '+'"
    assert definition.checks.columns["b"].type == "number"
    assert "in b, '-' stands for missing" in text


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


def test_every_type_of_column_finds_its_place(draft_columns: Draft) -> None:
    start, rows = datetime(2022, 1, 1), range(ROWS)
    definition, text = draft_columns(
        columns={
            "when": [start + timedelta(hours=row) for row in rows],
            "due": [date(2022, 1, 1) + timedelta(days=row // 10) for row in rows],
            "clock": [time(row % 24) for row in rows],
            "took": [timedelta(hours=row % 7) for row in rows],
            "list": [[1]] * ROWS,
            "price": [Decimal(row % 13) / 10 for row in rows],
            "nothing": [None] * ROWS,
            "always": ["a"] * ROWS,
            "infinite": [math.inf if row % 9 == 0 else X[row] for row in rows],
            "nan": [math.nan if row % 3 == 0 else X[row] for row in rows],
            "level": pl.Series(["pq"[row % 2] for row in rows], dtype=pl.Enum(["p", "q", "r"])),
            "huge": pl.Series([10**25 + row % 40 for row in rows], dtype=pl.Int128),
            "flag": [row % 3 == 0 for row in rows],
            'a\n"b" = #': [row % 5 for row in rows],
            "": [row % 4 for row in rows],
            "hour": [row % 6 for row in rows],
            " hour ": [row % 6 for row in rows],
        }
    )
    for name in ("due_weekday", "took", "list", "nothing", "always"):
        assert f"\n# {name} " in text
    assert definition.extract.time == "when"
    assert definition.features is not None
    assert definition.features["when_hour"] == "DATE_PART('hour', when)"
    assert {"clock_hour", "price", "infinite", "nan", "huge", "flag"} < set(definition.features)


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


def test_class_that_comes_after_the_holdout_begins_is_left_out(draft_columns: Draft) -> None:
    definition, _ = draft_columns(
        columns={
            "y": ["new" if row > 550 else "abc"[row % 3] for row in range(ROWS)],
            "when": [datetime(2022, 1, 1) + timedelta(hours=row) for row in range(ROWS)],
        }
    )
    assert definition.target.value == "CASE WHEN y IN ('a', 'b', 'c') THEN y END"


def test_copy_of_the_target_gives_it_away(draft_columns: Draft) -> None:
    labels = ["won" if value > 0 else "lost" for value in Y]
    codes = [7 if value > 0 else 3 for value in Y]
    definition, text = draft_columns(columns={"y": labels, "code": codes})
    assert set(definition.features or {}) == {"x"}
    assert "AUC 1.000 alone" in line_of(text, "# code")


def test_what_gives_the_target_away_stays_where_nothing_else_is(draft_columns: Draft) -> None:
    definition, text = draft_columns(columns={"x": 3 * Y + 1})
    assert set(definition.features or {}) == {"x"}
    assert "gives y away" in line_of(text, "x ")


def test_what_is_left_out_can_be_taken_in(draft_columns: Draft) -> None:
    definition, text = draft_columns(columns={"always": ["a"] * ROWS, "odd name": 2 * Y})
    taken_in = text.replace("\n# always", "\nalways").replace('\n# "odd name"', '\n"odd name"')
    more = set(parse_definition(taken_in, "").features or {})
    assert more - set(definition.features or {}) == {"always", "odd name"}


def test_rows_without_the_given_time_are_left_out(draft_csv: Draft) -> None:
    def line(row: int) -> str:
        when = f"2022-01-{1 + row // 24:02} {row % 24:02}:00"
        return f"{when if row % 50 else ''},{X[row]},{Y[row]}"

    definition, text = draft_csv("t,x,y", line, "y", time="t")
    assert 'WHERE "t" IS NOT NULL' in (definition.extract.query or "")
    assert "leaves out 12 of 600 rows that lack it" in unwrap(text)


def test_time_is_not_guessed_from_what_may_lie_ahead(draft_columns: Draft) -> None:
    due = [date(2099, 1, 1) + timedelta(days=row) for row in range(ROWS)]
    definition, text = draft_columns(columns={"due": due})
    assert definition.extract.time is None
    assert "due is later than now in 600 rows" in text


def test_day_that_could_be_a_month_is_said(draft_csv: Draft) -> None:
    _, text = draft_csv(
        "t,x,y", lambda row: f"{1 + row % 12:02}/{1 + row // 60:02}/2021,{X[row]},{Y[row]}", "y"
    )
    assert "read as %d/%m/%Y, and %m/%d/%Y fits too" in unwrap(text)


def test_given_key_may_repeat(draft_columns: Draft) -> None:
    definition, _ = draft_columns(columns={"who": [row // 2 for row in range(ROWS)]}, key=("who",))
    assert definition.extract.key == ("who",)
    assert 0.5 < definition.checks.duplicates < 1
    assert "who" not in (definition.features or {})


def test_target_is_never_the_key(draft_columns: Draft) -> None:
    definition, _ = draft_columns(columns={"y": RNG.permutation(ROWS)})
    assert definition.extract.key == ()


def test_next_month_keeps_the_contract_of_the_last(draft: Draft, tmp_path: Path) -> None:
    definition, text = draft(str(FLIGHTS / "flights-2013-01.parquet"), "arr_delay")
    name = definition.name
    (tmp_path / f"{name}.toml").write_text(text.replace("2013-01.parquet", "2013-02.parquet"))
    plan = plan_retrain(str(tmp_path / f"{name}.toml"), None)
    table = open_table(plan.definition, plan.project)
    snapshot = describe_snapshot(plan, table, extract_snapshot(plan, table, tmp_path / "next"))
    assert not failed(check_contract(plan, snapshot, profile_table(snapshot.scan())))


@pytest.mark.parametrize(
    ("header", "line", "options", "said"),
    [
        (
            "a,target",
            "1,2\n2,3",
            {"target": "targt"},
            "--target: there is no column 'targt'; did you mean 'target'?",
        ),
        ("a,y", "1,2\n2,2", {}, "--target: column 'y' is always 2"),
        ("a,y", "1,\n2,", {}, "--target: column 'y' holds no value"),
        ("y", "1\n2", {}, "'y' is the only column"),
        ("a,y", "1,1\n1,2", {}, "nothing is left to learn from: a (always 1)"),
        ("a,y", "1,2021-01-01\n2,2021-01-02", {}, "is Date, which no model here predicts"),
        ("a,y", "1,1\n2,2", {"time": "b"}, "--time: there is no column 'b'"),
        ("a,y", "1,1\n2,2", {"time": "a"}, "--time: column 'a' is Int64; a date or time is needed"),
        ("a,y", "soon,1\nlate,2", {"time": "a"}, "--time: column 'a' holds text in no date format"),
        ("a,y", "1,1\n2,2", {"key": ("y",)}, "--key: column 'y' is the target"),
        ("a,y", "1,1\n2,2", {"name": "My Model"}, "as 'my-model'"),
        ("a,y", "", {}, "holds no rows"),
        ("a,y", "1,2\n1,2,3", {}, "found more fields"),
        ("a,y", "1,1\n2,2", {"data": "tabel.csv"}, "no file matches"),
        ("a,y", "1,1\n2,2", {"data": ""}, "names no data"),
    ],
)
def test_refusal_is_one_line(
    tmp_path: Path, header: str, line: str, options: dict[str, Any], said: str
) -> None:
    (tmp_path / "table.csv").write_text(f"{header}\n" + f"{line}\n" * 50 * bool(line))
    given = {"data": "table.csv", "target": "y", "time": None, "key": (), "name": None} | options
    with pytest.raises(PerennialError) as refused:
        draft_definition(**given, project=tmp_path)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
    assert refused.value.exit_code == 2


def test_path_stays_as_it_was_given(draft_csv: Draft) -> None:
    definition, text = draft_csv("x,y", lambda row: f"{X[row]},{Y[row]}", "y", name="mine")
    assert definition.name == "mine"
    assert tomllib.loads(text)["sources"] == {"table": "table.csv"}


def test_draft_is_never_written_over_a_definition(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = write_draft("two-words", "first")
    assert path == Path("deployments/two_words.toml")
    with pytest.raises(PerennialError, match="is there already"):
        write_draft("two-words", "second")
    assert path.read_text() == "first"


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        (b'[{"a": 1, "y": 2}]', "t.json", "is one JSON array; write one object a line (NDJSON)"),
        (b"a\0b,y\n1,2\n", "t.csv", "is neither Parquet, nor CSV, nor NDJSON"),
        (b"^x$,y\n1,2\n3,4\n", "t.csv", "column '^x$' reads as a pattern of names; rename it"),
    ],
)
def test_file_that_cannot_be_drafted_from_is_named(
    tmp_path: Path, content: bytes, name: str, said: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(PerennialError) as refused:
        draft_definition(name, "y", time=None, key=(), name=None, project=tmp_path)
    assert said in str(refused.value)


def test_compressed_file_is_read_by_its_ending(draft: Draft, tmp_path: Path) -> None:
    lines = "\n".join(["x,y", *(f"{X[row]},{Y[row]}" for row in range(ROWS))])
    (tmp_path / "table.csv.gz").write_bytes(gzip.compress(lines.encode()))
    definition, _ = draft("table.csv.gz", "y")
    assert definition.sources["table"].format == "csv"


def test_target_that_many_rows_lack_widens_the_contract(draft_columns: Draft) -> None:
    some = [Y[row] if row % 2 else None for row in range(ROWS)]
    definition, text = draft_columns(columns={"y": some})
    assert definition.checks.unlabelled == pytest.approx(0.68)
    assert "50.0% have no target" in text


def test_rows_that_are_still_to_come_are_allowed_where_they_were_seen(
    draft_columns: Draft,
) -> None:
    start = datetime.now(UTC).replace(tzinfo=None) - timedelta(hours=ROWS - 5)
    times = [start + timedelta(hours=row) for row in range(ROWS)]
    definition, text = draft_columns(columns={"at": times}, time="at")
    assert definition.checks.allow_future
    assert "rows are later than now" in text


def test_text_of_too_many_kinds_is_no_target(draft_columns: Draft) -> None:
    with pytest.raises(DefinitionError, match="has 600 different texts, of which 0 are"):
        draft_columns(columns={"y": [f"text {row}" for row in range(ROWS)]})


def test_counter_is_a_key_with_a_question(draft_columns: Draft) -> None:
    _, text = draft_columns(columns={"n": list(range(ROWS))})
    assert "counts the rows: does it go on in the next file?" in text


def test_few_rows_and_a_column_without_values_foretell_nothing() -> None:
    sample = pl.DataFrame({"y": Y, "empty": pl.Series([None] * ROWS, dtype=pl.Float64)})
    assert judge_alone(sample.head(10), "regression") == {}
    assert judge_alone(sample, "regression")["empty"] < 0.05


def test_table_without_rows_is_named_and_a_word_of_sql_is_quoted(
    draft: Draft, tmp_path: Path
) -> None:
    pl.DataFrame(schema={"x": pl.Float64, "y": pl.Float64}).write_parquet(tmp_path / "e.parquet")
    with pytest.raises(SourceError, match=r"e.parquet: holds no rows"):
        draft("e.parquet", "y")
    schema = pl.Schema({"true": pl.Int64(), "x": pl.Int64()})
    assert [write_column(name, schema) for name in schema] == ['"true"', "x"]


@pytest.mark.parametrize(
    ("lines", "target"),
    [
        (
            [f"{x:.2f},{y:.2f},{'ab'[int(y > 0)]}" for x, y in zip(X, Y, strict=True)],
            "ab"[int(Y[0] > 0)],
        ),
        ([f"{row % 7},{'uvw'[row % 3]},{3 + row % 11},{9 - row % 5}" for row in range(ROWS)], "u"),
        ([f"{'pq'[row % 2]},{'uvw'[row % 3]},{'kl'[row % 5 > 1]}" for row in range(ROWS)], "u"),
        ([f"2021-01-{1 + row % 28:02};{row * 7 % 91};{1 + row % 3}" for row in range(ROWS)], "1"),
    ],
)
def test_file_without_a_header_is_told(tmp_path: Path, lines: list[str], target: str) -> None:
    (tmp_path / "t.csv").write_text("\n".join(lines))
    given: dict[str, Any] = {"time": None, "key": (), "name": None, "project": tmp_path}
    with pytest.raises(
        PerennialError, match="there seems to be no header: the first row"
    ) as refused:
        draft_definition("t.csv", "churned", **given)
    assert refused.value.exit_code == 2
    _, _, doubts = draft_definition("t.csv", target, **given)
    assert "there seems to be no header" in doubts[0]


def test_twins_in_a_file_without_a_header_are_no_columns_to_rename(tmp_path: Path) -> None:
    rows = "\n".join(f"1,1,{'ab'[row % 2]}" for row in range(50))
    (tmp_path / "t.csv").write_text(rows)
    with pytest.raises(SourceError, match="there seems to be no header"):
        draft_definition("t.csv", "a", time=None, key=(), name=None, project=tmp_path)


@pytest.mark.parametrize(
    "header", ["x,y", "2020,2021", "country,2020", "0,1", "x1,x2", "a b,1", "10%,20%"]
)
def test_header_of_numbers_is_a_header(tmp_path: Path, header: str) -> None:
    first, target = header.split(",")
    word = first == "country"
    lines = [f"{'uvw'[row % 3] if word else row * 31 % 97},{row * 7 % 89}" for row in range(ROWS)]
    (tmp_path / "t.csv").write_text("\n".join([header, *lines]))
    given: dict[str, Any] = {"time": None, "key": (), "name": None, "project": tmp_path}
    *_, doubts = draft_definition("t.csv", target, **given)
    assert doubts == ("rows are split at random: no column says when they happened",)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ("sales.csv", "sales"),
        ("Sales Q1 (final).csv", "sales-q1-final"),
        ("Verkäufe_größer.csv", "verkaufe-groer"),
        ("2024.csv", "2024"),
        ("-x-.csv", "x"),
        ("продажи.csv", "model"),
        ("taxi.parquet", "taxi"),
        ("flights-*.parquet", "flights"),
        ("h/*/*.parquet", "h"),
        ("h/month=1/part.parquet", "part"),
        ("s3://bucket/folder/sales.csv.gz", "sales"),
        ("a" * 90 + ".csv", "a" * 60),
    ],
)
def test_model_is_called_like_its_data(data: str, name: str) -> None:
    assert settle_name(None, data) == name
    assert Definition.model_validate(
        {"name": name, "sources": {"s": "s.csv"}, "target": {"value": "y", "kind": "binary"}}
    )


@pytest.mark.parametrize("name", ["x-", "-x", "Sales", "sales q1", "verkäufe", "a" * 64, ""])
def test_name_that_cannot_be_released_is_refused(name: str) -> None:
    with pytest.raises(DefinitionError, match="a name is made of small letters"):
        settle_name(name, "sales.csv")
    with pytest.raises(DefinitionError, match="small letters, digits and, between them, hyphens"):
        parse_definition(
            f'name = "{name}"\n[sources]\ns = "s.csv"\n[target]\nvalue = "y"\nkind = "binary"', "d"
        )


@pytest.mark.parametrize("taken", ["two_words.toml", "two-words.toml"])
def test_name_that_is_taken_is_refused_before_a_look_at_the_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deployments").mkdir()
    (tmp_path / "deployments" / taken).write_text("mine")
    with pytest.raises(DefinitionError, match=f"{taken}: is there already; edit it"):
        find_place("two-words")
    with pytest.raises(DefinitionError, match="is there already"):
        write_draft("two-words", "other")
    assert (tmp_path / "deployments" / taken).read_text() == "mine"


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


def test_games_are_sold_without_the_regions_they_were_sold_in(draft: Draft, tmp_path: Path) -> None:
    regions = {name: RNG.pareto(2, ROWS).round(2) for name in ("na", "eu", "jp", "other")}
    total = sum(regions.values()).round(2)
    more = {"year": RNG.integers(1990, 2020, ROWS), "rank": total.argsort()}
    pl.DataFrame(regions | more | {"sold": total}).write_csv(tmp_path / "games.csv")
    definition, text = draft("games.csv", "sold")
    assert not set(regions) & set(definition.features or {})
    assert "adds up to it with eu, jp, other" in unwrap(text)


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
