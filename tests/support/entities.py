"""Rows and events of a few entities, drawn at random, and a definition whose table joins them."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import polars as pl
from hypothesis import strategies as st
from tables import define

from tasks.core.definition import Definition, parse_definition

START = datetime(2020, 1, 1, tzinfo=UTC)
ENTITIES = [("a",), ("b",), (None,)]
HOURS = st.none() | st.integers(0, 40)
EVENTS = st.lists(
    st.tuples(st.sampled_from(ENTITIES), HOURS, st.none() | st.integers(-50, 50)), max_size=30
)
ROWS = st.lists(st.tuples(st.sampled_from([*ENTITIES, ("c",)]), HOURS), min_size=1, max_size=20)
AGGREGATES = {
    "rows": "COUNT(*)",
    "known": "COUNT(x)",
    "total": "SUM(x)",
    "mean": "AVG(x)",
    "high": "AVG(x > 10)",
}


def make_events(drawn: Iterable[tuple[tuple[str | None], int | None, int | None]]) -> pl.DataFrame:
    rows = [(*entity, moment(hour), x) for entity, hour, x in drawn]
    schema = {"k": pl.String, "at": pl.Datetime("us", "UTC"), "x": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def make_rows(drawn: Iterable[tuple[tuple[str | None], int | None]]) -> pl.DataFrame:
    rows = [(n, *entity, moment(hour), True) for n, (entity, hour) in enumerate(drawn)]
    schema = {"id": pl.Int64, "k": pl.String, "t": pl.Datetime("us", "UTC"), "y": pl.Boolean}
    return pl.DataFrame(rows, schema=schema, orient="row")


def moment(hour: int | None) -> datetime | None:
    return None if hour is None else START + timedelta(hours=hour)


def define_table(keys: str, values: dict[str, str], entity: str = '["k"]') -> Definition:
    listed = ", ".join(f'{name} = "{sql}"' for name, sql in values.items())
    table = f'source = "events"\nentity = {entity}\n{keys}\nvalues = {{ {listed} }}'
    sources = 's = "s.parquet"\nevents = "events.parquet"'
    extract = 'query = "SELECT * FROM s"\ntime = "t"\nkey = ["id"]'
    sections = {"sources": sources, "extract": extract, "features": 'k = "k"', "tables.past": table}
    return parse_definition(define(**sections), "made.toml")
