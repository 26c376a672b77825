"""A table to be scored is read as the definition reads its sources, or it is refused."""

from datetime import datetime
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from tables import define

from tasks.core.definition import Definition, parse_definition
from tasks.core.errors import DataRefused, DefinitionError, PerennialError
from tasks.sources.input_table import InputTable, open_input
from tasks.sources.query import SourceTable, open_table

DAYS = [datetime(2024, month, day, 4, 21) for month in (1, 4, 12) for day in (1, 4, 12, 20)]
TRUTH = pl.DataFrame(
    {
        "id": [f"r{n}" for n in range(12)],
        "when": DAYS,
        "city": ["Rome", None, "Oslo"] * 4,
        "price": [n + 0.25 for n in range(12)],
        "qty": list(range(12)),
    }
)
MENDED = """SELECT * REPLACE (
  STRPTIME("when", '%m/%d/%Y %H:%M') AS "when",
  CAST(REPLACE(TRIM("price"), ',', '.') AS DOUBLE) AS "price"
)
FROM "s"
"""
NEEDED = ["when", "city", "price", "qty"]


def write_raw(rows: pl.DataFrame, path: Path) -> Path:
    """Write rows as the source is: days as in America, a comma for decimals, signs for missing."""
    raw = rows.with_columns(
        pl.col("when").dt.to_string("%m/%d/%Y %H:%M"),
        pl.col("price").cast(pl.String).str.replace(".", ",", literal=True),
    )
    if path.suffix == ".csv":
        raw.with_columns(pl.col("city").fill_null("NA")).write_csv(path, separator=";")
    else:
        raw.write_ndjson(path) if path.suffix == ".ndjson" else raw.write_parquet(path)
    return path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def trained(
    folder: Path, query: str | None = MENDED, source: str = "", **more: str
) -> tuple[Definition, SourceTable]:
    """Give a definition and its table as training opened it: the target is a column of its own."""
    rows = TRUTH.with_columns(y=pl.col("qty") * 2)
    write_raw(rows, folder / "s.csv")
    named = source or '{ uri = "s.csv", separator = ";", null_values = ["NA"] }'
    asked = "" if query is None else f"query = '''{query}'''\n"
    sections = {
        "sources": f"s = {named}" + more.pop("sources", ""),
        "extract": f'{asked}key = ["id"]',
        "target": 'value = "y"\nkind = "regression"',
        **more,
    }
    definition = parse_definition(define(**sections), "made.toml")
    return definition, open_table(definition, folder)


def open_for(trained: tuple[Definition, SourceTable], uri: Path, *needed: str) -> InputTable:
    definition, table = trained
    schemas = {
        name: {column: str(dtype) for column, dtype in frame.collect_schema().items()}
        for name, frame in table.frames.items()
    }
    types = {name: table.columns[name] for name in (needed or (*NEEDED, "id"))}
    return open_input(definition, schemas, types, lambda _: needed or NEEDED, str(uri))


def read(trained: tuple[Definition, SourceTable], uri: Path, *needed: str) -> pl.DataFrame:
    opened = open_for(trained, uri, *needed)
    return opened.read(opened.rows.collect())


@pytest.mark.parametrize("form", ["csv", "ndjson", "parquet"])
def test_rows_of_the_source_are_mended_as_training_mended_them(folder: Path, form: str) -> None:
    made = trained(folder)
    found = read(made, write_raw(TRUTH, folder / f"new.{form}"))
    assert_frame_equal(found, TRUTH.select(found.columns))
    if form == "csv":
        learned = made[1].rows.select(found.columns).collect()
        assert_frame_equal(found, learned)


@pytest.mark.parametrize("form", ["ndjson", "parquet"])
def test_rows_that_are_mended_already_are_taken_as_they_are(folder: Path, form: str) -> None:
    path = folder / f"new.{form}"
    TRUTH.write_parquet(path) if form == "parquet" else TRUTH.write_ndjson(path)
    found = read(trained(folder), path)
    assert_frame_equal(found, TRUTH.select(found.columns))


THOUSANDS = """SELECT * REPLACE (
  STRPTIME("when", '%m/%d/%Y %H:%M') AS "when",
  CAST(REPLACE(REPLACE("price", '.', ''), ',', '.') AS DOUBLE) AS "price"
)
FROM "s"
"""


@pytest.mark.parametrize("form", ["csv", "ndjson", "parquet"])
def test_number_that_the_query_would_read_as_another_one_is_refused(
    folder: Path, form: str
) -> None:
    made = trained(folder, THOUSANDS)

    def write(name: str, *price: str | None) -> Path:
        path, days = folder / f"{name}.{form}", pl.col("when").dt.to_string("%m/%d/%Y %H:%M")
        rows = TRUTH.with_columns(days, price=pl.Series([*price] * 3, dtype=pl.String))
        rows.write_csv(path, separator=";") if form == "csv" else getattr(rows, f"write_{form}")(
            path
        )
        return path

    found = read(made, write("raw", "1.234", "987", "1.000,5", None))
    assert found["price"].to_list() == [1234.0, 987.0, 1000.5, None] * 3
    with pytest.raises(DataRefused, match=r"'price' holds '1000.5', .* read it as 10005; write"):
        read(made, write("mended", "1.234", "987", "1000.5", None))


def test_another_form_of_dates_is_refused_by_column_and_form(folder: Path) -> None:
    path = folder / "iso.csv"
    TRUTH.with_columns(pl.col("price").cast(pl.String)).write_csv(path, separator=";")
    with pytest.raises(DataRefused, match=r"source s: .*'when'.*STRPTIME\(.*%m/%d/%Y"):
        read(trained(folder), path)


def test_without_what_training_read_text_is_not_guessed_at(folder: Path) -> None:
    """As of a version from before the sources' columns were kept with it."""
    definition, table = trained(folder)
    path = write_raw(TRUTH, folder / "new.csv")
    types = {name: table.columns[name] for name in NEEDED}
    opened = open_input(definition, {}, types, lambda _: NEEDED, str(path))
    with pytest.raises(DataRefused, match=r"column 'when' is String and holds '01/01/2024"):
        opened.read(opened.rows.collect())


def test_source_without_a_query_lends_its_separator_its_missing_and_its_days(folder: Path) -> None:
    (folder / "s.csv").write_text("id;when;city\n1;13/01/2024;NA\n2;02/01/2024;Rome\n")
    source = '{ uri = "s.csv", separator = ";", null_values = ["NA"] }'
    text = define(
        sources=f"s = {source}",
        extract='time = "when"\nkey = ["id"]',
        target='value = "id"\nkind = "regression"',
    )
    definition = parse_definition(text, "made.toml")
    made = definition, open_table(definition, folder)
    (folder / "new.csv").write_text("when;city\n02/01/2024;NA\n03/01/2024;Oslo\n")
    found = read(made, folder / "new.csv", "when", "city")
    assert found.rows() == [
        (datetime(2024, 1, 2).date(), None),
        (datetime(2024, 1, 3).date(), "Oslo"),
    ]


def test_types_of_the_definition_read_text_as_they_do_in_the_source(folder: Path) -> None:
    pl.DataFrame({"n": ["1", "2"], "y": [1.0, 2.0]}).write_parquet(folder / "s.parquet")
    text = define(
        sources='s = { uri = "s.parquet", types = { n = "integer" } }',
        extract="",
        target='value = "y"\nkind = "regression"',
    )
    definition = parse_definition(text, "made.toml")
    made = definition, open_table(definition, folder)
    assert read(made, folder / "s.parquet", "n")["n"].to_list() == [1, 2]
    pl.DataFrame({"n": ["1", "2.5"]}).write_parquet(folder / "new.parquet")
    with pytest.raises(DataRefused, match=r"'n' is String and holds '2.5'.*\(row 2\)"):
        read(made, folder / "new.parquet", "n")


JOINED = "SELECT s.*, o.size FROM s LEFT JOIN o ON s.city = o.name"


def test_joined_rows_are_taken_as_the_query_gives_them(folder: Path) -> None:
    pl.DataFrame({"name": ["Rome"], "size": [3]}).write_parquet(folder / "o.parquet")
    made = trained(
        folder, JOINED.replace("s.*", 's.id, s."when", s.city'), sources='\no = "o.parquet"'
    )
    path = folder / "new.csv"
    path.write_text("when;city;size\n04/01/2024 10:00;NA;3\n")
    needed = ("city", "size")
    assert read(made, path, *needed).rows() == [(None, 3)]
    path.write_text("city;size\nRome;2.5\n")
    with pytest.raises(DataRefused, match=r"'size' is String and holds '2.5'"):
        read(made, path, *needed)


def test_sources_that_write_csv_otherwise_leave_no_way_to_read_a_table(folder: Path) -> None:
    (folder / "o.csv").write_text("name,size\nRome,3\n")
    made = trained(folder, JOINED, sources='\no = "o.csv"')
    (folder / "new.csv").write_text("city,size\nRome,3\n")
    with pytest.raises(DataRefused, match=r"several ways of writing CSV.*give it as Parquet"):
        read(made, folder / "new.csv", "size")


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT * FROM s WHERE city IS NOT NULL", "leaves out 4 of 12 rows"),
        ("SELECT * REPLACE (qty * 2 AS qty) FROM s", "'qty' other values under the same name"),
        ("SELECT city, SUM(qty) AS qty FROM s GROUP BY city", None),
        ("SELECT city, SUM(qty) OVER (PARTITION BY city) AS qty FROM s", None),
        ("SELECT * REPLACE (ABS(qty) AS qty, UPPER(city) AS city) FROM s", None),
        ("SELECT city, qty FROM s -- JOIN nothing", None),
        ("SELECT * FROM s WHERE y IS NOT NULL", None),
    ],
)
def test_each_row_keeps_its_place_and_is_mended_once(
    folder: Path, query: str, said: str | None
) -> None:
    source = '"s.parquet"'
    TRUTH.with_columns(y=1).write_parquet(folder / "s.parquet")
    text = define(
        sources=f"s = {source}",
        extract=f'query = "{query}"',
        target='value = "qty"\nkind = "regression"',
    )
    definition = parse_definition(text, "made.toml")
    made = definition, open_table(definition, folder)
    path = folder / "new.parquet"
    TRUTH.write_parquet(path)
    if said is None:
        found = read(made, path, "city", "qty")
        assert found["qty"].to_list() == TRUTH["qty"].to_list()
        upper = "UPPER" in query
        assert found["city"][0] == ("ROME" if upper else "Rome")
    else:
        with pytest.raises(DataRefused, match=said):
            read(made, path, "city", "qty")


def test_column_that_is_made_in_the_query_is_made_of_the_sources_columns(folder: Path) -> None:
    query = 'SELECT id, "when", city, qty // 2 AS half, y > 3 AS late FROM s'
    made = trained(folder, query)
    path = write_raw(TRUTH, folder / "new.csv")  # without the target
    assert read(made, path, "half")["half"].to_list() == [n // 2 for n in range(12)]
    with pytest.raises(DefinitionError, match="no column 'qty'"):
        read(made, write_raw(TRUTH.rename({"qty": "quantity"}), path), "half")
    half = folder / "half.parquet"
    pl.DataFrame({"half": [3.0, None]}).write_parquet(half)
    assert read(made, half, "half")["half"].to_list() == [3, None]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("when,city,price,qty\n1,2,3,4\n", "read as the definition reads CSV: separator = ';'"),
        ("", "is empty"),
    ],
)
def test_table_that_is_written_otherwise_is_refused(folder: Path, text: str, said: str) -> None:
    made = trained(folder)
    (folder / "new.csv").write_text(text)
    with pytest.raises(PerennialError, match=said):
        read(made, folder / "new.csv")


@pytest.mark.parametrize(
    ("uri", "said"),
    [("postgresql://host/db", "is no table in files"), ("none.csv", "no file matches")],
)
def test_address_that_leads_to_no_table_is_refused(folder: Path, uri: str, said: str) -> None:
    with pytest.raises(PerennialError, match=said):
        open_for(trained(folder), Path(uri) if "//" not in uri else uri)  # type: ignore[arg-type]


@pytest.mark.parametrize("line", ["{", "[1]", '{"qty": 1.5}'])
def test_line_that_is_no_row_is_refused_by_its_number(folder: Path, line: str) -> None:
    TRUTH.with_columns(y=1).write_ndjson(folder / "s.ndjson")
    made = trained(folder, None, '"s.ndjson"')
    path = folder / "new.ndjson"
    path.write_text('{"qty": 1}\n\n{"qty": 2}\n')
    assert read(made, path, "qty")["qty"].to_list() == [1, 2]
    opened = open_for(made, path, "qty")
    part = pl.DataFrame({"line": ['{"qty": 1}', line]})
    with pytest.raises(DataRefused, match="row 1,002"):
        opened.read(part, before=1_000)


@pytest.mark.parametrize("form", ["csv", "ndjson", "parquet"])
def test_column_that_some_files_lack_is_null_there_where_the_definition_says_so(
    folder: Path, form: str
) -> None:
    (folder / "new").mkdir()
    uri, rows = folder / "new" / f"*.{form}", TRUTH.select("id", "price", "qty")
    for name, part in (("a", rows[:6].drop("qty")), ("b", rows[6:])):
        path = uri.with_stem(name)
        part.write_csv(path, separator=";") if form == "csv" else getattr(part, f"write_{form}")(
            path
        )
    source = '{ uri = "s.csv", separator = ";", missing_columns = "null" }'
    for query in (None, "SELECT *, REPLACE(price, ',', '.') AS text FROM s"):
        with pytest.raises(PerennialError, match=r"a.*has no column 'qty', .*missing_columns"):
            read(trained(folder, query, source.replace("null", "refuse")), uri, "qty")
        found = read(trained(folder, query, source), uri, "qty")
        assert found["qty"].to_list() == [None] * 6 + TRUTH["qty"][6:].to_list()


def test_lines_of_json_say_that_folders_are_not_read(folder: Path) -> None:
    (folder / "qty=1").mkdir()
    TRUTH.select("id", "price").write_ndjson(folder / "qty=1" / "a.ndjson")
    with pytest.raises(DefinitionError, match=r"'qty'; lines of JSON .*write it in each line"):
        read(trained(folder, None), folder / "qty=1" / "a.ndjson", "qty")


@pytest.mark.parametrize(("form", "known"), [("parquet", len(TRUTH)), ("ndjson", None)])
def test_rows_are_counted_where_their_files_say_how_many(
    folder: Path, form: str, known: int | None
) -> None:
    uri = folder / f"new.{form}"
    getattr(TRUTH, f"write_{form}")(uri)
    assert open_for(trained(folder), uri).count_rows() == known
