"""The service looks up what training joined: the same values for any row of any time."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from entities import AGGREGATES, EVENTS, ROWS, START, define_table, make_events, make_rows
from hypothesis import given
from hypothesis import strategies as st

from bentos.columns import Column
from bentos.entity_table import read_moment
from bentos.errors import RequestRefused
from bentos.online_features import OnlineFeatures, read_zone
from tasks.core.definition import Definition
from tasks.core.errors import StoreError
from tasks.core.timestamps import utc_time
from tasks.feature_store.online_tables import Listed, Listing, keep_recent
from tasks.features.feature_tables import plan_tables, tables_digest
from tasks.features.point_in_time_join import look_up

ASKED = (
    Column(name="k", dtype=pl.String()),
    Column(name="t", dtype=pl.Datetime("us", "UTC")),
)
NOW = START + timedelta(hours=60)


def make_lookup(
    definition: Definition,
    table: pl.DataFrame,
    as_of: datetime | None,
    since: datetime | None = None,
) -> OnlineFeatures:
    values = tuple(
        Column(name=name, dtype=table.schema[name]) for name in definition.tables["past"].values
    )
    listed = Listed(as_of=as_of, since=since, entities=0, rows=len(table))
    digest = tables_digest(definition)
    listing = Listing(digest=digest, made_at=NOW, sources={}, tables={"past": listed})
    return OnlineFeatures(definition, ASKED, values, listing, lambda name: table)


def plan(definition: Definition, rows: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    frames = {"s": rows.lazy(), "events": events.lazy()}
    return plan_tables(definition, frames, rows.schema)["past"].collect()


def join(definition: Definition, rows: pl.DataFrame, table: pl.DataFrame) -> pl.DataFrame:
    planned = {"past": table.lazy()}
    found = look_up(rows.lazy(), pl.col("t"), definition.tables, planned).collect()
    return found.sort("id").select("k", "t", *definition.tables["past"].values)


@pytest.mark.parametrize("entity", ['["k"]', "[]"])
@given(EVENTS, ROWS, st.integers(0, 5), st.sampled_from([None, 7]))
def test_a_row_is_answered_with_the_values_that_it_would_be_trained_with(
    entity: str, drawn: Any, asked: Any, known_after: int, length: int | None
) -> None:
    rows = make_rows(asked)
    over = f'\nover = "{known_after + length}h"' if length else ""
    keys = f'time = "at"\nknown_after = "{known_after}h"{over}'
    definition = define_table(keys, AGGREGATES if length else {"last": "x"}, entity)
    table = plan(definition, rows, make_events(drawn))
    lookup = make_lookup(definition, table, NOW)
    expected = join(definition, rows, table)
    assert lookup.fill(rows.select("k", "t").rows()) == expected.rows()
    assert lookup.fill_frame(rows.select("k", "t")).equals(expected)


def test_what_is_kept_answers_recent_rows_as_all_of_it_would() -> None:
    definition = define_table('time = "at"\nover = "5h"', {"mean": "AVG(x)"})
    events = make_events([(("a",), hour, hour) for hour in range(0, 200, 3)] + [(("b",), 2, 5)])
    rows = make_rows([(("a",), hour) for hour in range(150, 196)] + [(("b",), 190)])
    as_of = START + timedelta(hours=195)
    table = plan(definition, rows, events)
    kept = keep_recent(table, ["k"], as_of)
    assert len(kept) < len(table) / 2
    assert kept["k"].unique().to_list() == ["a"]
    lookup = make_lookup(definition, kept, as_of)
    assert lookup.fill(rows.select("k", "t").rows()) == join(definition, rows, table).rows()


def test_a_row_that_is_later_than_all_that_is_known_gets_the_last_that_is() -> None:
    definition = define_table('time = "at"\nover = "5h"', {"n": "COUNT(*)"})
    rows = make_rows([(("a",), 3), (("a",), 40)])
    table = plan(definition, rows, make_events([(("a",), 1, 1), (("a",), 2, 1)]))
    lookup = make_lookup(definition, table, START + timedelta(hours=2))
    assert [row[-1] for row in lookup.fill(rows.select("k", "t").rows())] == [2, 2]
    ages = lookup.ages(NOW)
    assert ages == {"past": timedelta(hours=58).total_seconds()}
    assert lookup.outlived == {"past": 1}
    lookup.fill_frame(rows.select("k", "t"))
    assert lookup.outlived == {"past": 2}


def test_a_row_from_before_all_that_is_kept_is_refused() -> None:
    definition = define_table('time = "at"\nover = "5h"', {"n": "COUNT(*)"})
    rows = make_rows([(("a",), 3), (("a",), 40)])
    table = plan(definition, rows, make_events([(("a",), 30, 1)]))
    lookup = make_lookup(definition, table, NOW, since=START + timedelta(hours=9))
    with pytest.raises(RequestRefused, match="is before 2020-01-01 09:00 UTC"):
        lookup.fill(rows.select("k", "t").rows())


def test_an_entity_that_no_table_knows_is_counted() -> None:
    definition = define_table("", {"size": "x"})
    rows = make_rows([(("a",), 3), (("c",), 3)])
    lookup = make_lookup(definition, plan(definition, rows, make_events([(("a",), 1, 1)])), None)
    assert [row[-1] for row in lookup.fill(rows.select("k", "t").rows())] == [1, None]
    assert lookup.missed == {"past": 1}
    assert lookup.fill_frame(rows.select("k", "t"))["size"].to_list() == [1, None]


def test_tables_of_another_definition_are_refused() -> None:
    definition = define_table("", {"size": "x"})
    table = plan(definition, make_rows([(("a",), 3)]), make_events([(("a",), 1, 1)]))
    listing = Listing(digest="other", made_at=NOW, sources={}, tables={})
    with pytest.raises(StoreError, match="of another definition"):
        OnlineFeatures(definition, ASKED, (), listing, lambda name: table)


@pytest.mark.parametrize(
    ("zone", "local", "expected"),
    [
        ("Europe/Berlin", datetime(2020, 3, 29, 2, 30), None),
        ("Europe/Berlin", datetime(2020, 10, 25, 2, 30), datetime(2020, 10, 25, 0, 30)),
        ("UTC", datetime(2020, 1, 1, 5), datetime(2020, 1, 1, 5)),
        ("Europe/Berlin", date(2020, 1, 2), datetime(2020, 1, 1, 23)),
    ],
)
def test_times_without_a_zone_are_read_as_in_training(
    zone: str, local: date, expected: datetime | None
) -> None:
    column = pl.DataFrame({"t": [local]})
    (trained,) = column.select(utc_time("t", column.schema, zone, "")).to_series()
    wanted = expected and expected.replace(tzinfo=UTC)
    assert trained == wanted
    assert read_moment(read_zone(zone), local) == (wanted and int(wanted.timestamp() * 1e6))
