"""Feature tables: never a value that was not known at a row's time, and always the one that was."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from entities import AGGREGATES, EVENTS, ROWS, START, define_table, make_events, make_rows, moment
from hypothesis import given
from hypothesis import strategies as st
from tables import write_file

from tasks.core.definition import Definition
from tasks.core.errors import DefinitionError
from tasks.features.feature_tables import plan_tables, tabled_values
from tasks.features.point_in_time_join import look_up
from tasks.sources.query import open_table


def look_up_rows(definition: Definition, rows: pl.DataFrame, events: pl.DataFrame) -> list[Any]:
    frames = {"s": rows.lazy(), "events": events.lazy()}
    planned = plan_tables(definition, frames, rows.schema)
    found = look_up(rows.lazy(), pl.col("t"), definition.tables, planned).collect()
    assert len(found) == len(rows)
    values = list(definition.tables["past"].values)
    return found.sort("id").select(values).rows()


def known_events(
    row: dict[str, Any], events: pl.DataFrame, known_after: int, over: int | None
) -> list[dict[str, Any]]:
    """Pick by a plain loop the events of a row's entity that count at its time, oldest first."""
    if row["k"] is None or row["t"] is None:
        return []
    found = []
    for event in events.to_dicts():
        if event["k"] != row["k"] or event["at"] is None:
            continue
        known = event["at"] + timedelta(hours=known_after) <= row["t"]
        recent = over is None or event["at"] > row["t"] - timedelta(hours=over)
        if known and recent:
            found.append(event)
    return sorted(found, key=lambda event: event["at"])


def aggregate(events: list[dict[str, Any]]) -> tuple[Any, ...]:
    if not events:
        return (None,) * len(AGGREGATES)
    values = [event["x"] for event in events if event["x"] is not None]
    if not values:
        return len(events), 0, None, None, None
    mean, high = sum(values) / len(values), sum(x > 10 for x in values) / len(values)
    return len(events), len(values), sum(values), mean, high


@given(EVENTS, ROWS, st.integers(0, 5), st.integers(1, 20))
def test_a_row_gets_what_a_plain_loop_over_the_events_known_by_then_gives(
    drawn: Any, asked: Any, known_after: int, length: int
) -> None:
    events, rows, over = make_events(drawn), make_rows(asked), known_after + length
    keys = f'time = "at"\nknown_after = "{known_after}h"\nover = "{over}h"'
    found = look_up_rows(define_table(keys, AGGREGATES), rows, events)
    expected = [aggregate(known_events(row, events, known_after, over)) for row in rows.to_dicts()]
    assert found == expected


@given(EVENTS, ROWS, st.integers(0, 5))
def test_without_over_a_row_gets_the_latest_event_known_by_then(
    drawn: Any, asked: Any, known_after: int
) -> None:
    events, rows = make_events(drawn), make_rows(asked)
    keys = f'time = "at"\nknown_after = "{known_after}h"'
    found = look_up_rows(define_table(keys, {"last": "x"}), rows, events)
    for row, (last,) in zip(rows.to_dicts(), found, strict=True):
        known = known_events(row, events, known_after, None)
        assert last == (known[-1]["x"] if known else None)


@given(EVENTS, EVENTS, ROWS)
def test_what_becomes_known_later_changes_nothing(drawn: Any, later: Any, asked: Any) -> None:
    definition = define_table(
        'time = "at"\nknown_after = "1h"\nover = "9h"', {"mean": "AVG(x * 0.1)"}
    )
    rows = make_rows(asked)
    newest = rows["t"].max()
    shifted = [(k, hour and hour + 41, x) for k, hour, x in later if hour is None or hour]
    before, after = make_events(drawn), pl.concat([make_events(drawn), make_events(shifted)])
    assert newest is None or newest < START + timedelta(hours=41)  # type: ignore[operator]
    assert look_up_rows(definition, rows, before) == look_up_rows(definition, rows, after)


def test_what_an_entity_is_needs_no_time() -> None:
    events = make_events([(("a",), None, 1), (("b",), 3, 2), (("a",), 1, 3)])
    rows = make_rows([(("a",), 0), (("b",), None), (("c",), 5), ((None,), 5)])
    found = look_up_rows(define_table("", {"size": "x * 10"}), rows, events)
    assert found == [(30,), (20,), (None,), (None,)]


def test_one_infinite_value_spoils_no_other() -> None:
    rows = make_rows([(("a",), hour) for hour in (1, 3, 8)])
    schema = {"k": pl.String, "at": pl.Datetime("us", "UTC"), "x": pl.Float64}
    events = pl.DataFrame(
        [("a", moment(0), 1.5), ("a", moment(1), float("inf")), ("a", moment(7), 2.5)],
        schema=schema,
        orient="row",
    )
    definition = define_table('time = "at"\nover = "5h"', {"mean": "AVG(x)", "n": "COUNT(*)"})
    assert look_up_rows(definition, rows, events) == [(1.5, 2), (1.5, 2), (2.5, 1)]


@pytest.mark.parametrize(
    ("keys", "values", "said"),
    [
        ("", {"x": "x + z"}, "[tables.past] values.x: there is no column 'z'"),
        (
            "",
            {"n": "COUNT(*)"},
            "values.n: COUNT(*) is an aggregate; say of how long a time, as in over = '7d'",
        ),
        ('time = "at"\nover = "1h"', {"n": "x"}, "values.n: x is no aggregate; write one AVG(…)"),
        ('time = "at"\nover = "1h"', {"n": "SUM(k)"}, "values.n: k gives String"),
        ('time = "at"\nover = "1h"', {"n": "MAX(x)"}, "MAX(x) is no aggregate; write one"),
        ('time = "at"\nover = "1h"', {"n": "AVG(x) / AVG(x)"}, "in [features]; or leave out over"),
        ('time = "at"\nover = "1h"', {"n": "SUM(*)"}, "SUM takes what an event holds"),
        ('time = "at"\nover = "1h"', {"n": "COUNT(DISTINCT x)"}, "cannot be kept up"),
        ('time = "k"\nover = "1h"', {"n": "SUM(x)"}, "by types in [sources] events, or name"),
        ('time = "att"\nover = "1h"', {"n": "SUM(x)"}, "there is no column 'att'; did you mean"),
        (
            'time = "at"\nover = "1h"\nknown_after = "1h"',
            {"n": "SUM(x)"},
            "longer than known_after",
        ),
        ('over = "1h"', {"n": "SUM(x)"}, "over and known_after need time"),
        ("", {"id": "x"}, "column of [extract] query already; name one of them otherwise"),
        ('time = "at"\nover = "1h"', {"n": "SUM(y)"}, "the target is made of 'y'"),
        ("", {"n": "y"}, "the target is made of 'y'"),
    ],
)
def test_a_table_that_cannot_be_made_is_refused_by_its_key(
    tmp_path: Path, keys: str, values: dict[str, str], said: str
) -> None:
    events = make_events([(("a",), 1, 2)]).with_columns(y=pl.lit(True))
    write_file(make_rows([(("a",), 0)]), tmp_path / "s.parquet")
    write_file(events, tmp_path / "events.parquet")
    with pytest.raises(DefinitionError) as refused:
        open_table(define_table(keys, values), tmp_path)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('source = "events"', 'source = "event"', "there is no source 'event'; did you mean"),
        ('entity = ["k"]', 'entity = ["kk"]', "there is no column 'kk' in [extract] query"),
        ('entity = ["k"]', 'entity = ["t"]', "no column 't' in the source"),
    ],
)
def test_a_table_names_a_source_and_columns_that_there_are(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    definition = define_table("", {"size": "x"})
    table = definition.tables["past"]
    key, _, value = new.partition(" = ")
    given = {"source": value.strip('"')} if key == "source" else {"entity": (value.strip('["]'),)}
    changed = definition.model_copy(update={"tables": {"past": table.model_copy(update=given)}})
    write_file(make_rows([(("a",), 0)]), tmp_path / "s.parquet")
    write_file(make_events([(("a",), 1, 2)]), tmp_path / "events.parquet")
    with pytest.raises(DefinitionError) as refused:
        open_table(changed, tmp_path)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("column", "said"),
    [
        (pl.col("x").alias("k"), "'k' is String in rows and Int64 in the source"),
        (None, "'k' is Float64; what names an entity is text or whole"),
    ],
)
def test_what_names_an_entity_is_text_or_whole_and_alike_on_both_sides(
    tmp_path: Path, column: pl.Expr | None, said: str
) -> None:
    events, rows = make_events([(("a",), 1, 2)]), make_rows([(("a",), 0)])
    if column is None:
        events, rows = (each.with_columns(pl.lit(0.5).alias("k")) for each in (events, rows))
    else:
        events = events.with_columns(column)
    write_file(rows, tmp_path / "s.parquet")
    write_file(events, tmp_path / "events.parquet")
    with pytest.raises(DefinitionError) as refused:
        open_table(define_table("", {"size": "x"}), tmp_path)
    assert said in str(refused.value)


def test_a_value_has_one_name_and_events_need_the_time_of_rows(tmp_path: Path) -> None:
    definition = define_table('time = "at"\nover = "1h"', {"n": "SUM(x)"})
    twice = {**definition.tables, "other": definition.tables["past"]}
    with pytest.raises(DefinitionError, match="'n' is a value of 'past' already"):
        tabled_values(definition.model_copy(update={"tables": twice}))
    write_file(make_rows([(("a",), 0)]), tmp_path / "s.parquet")
    write_file(make_events([(("a",), 1, 2)]), tmp_path / "events.parquet")
    timeless = definition.extract.model_copy(update={"time": None})
    with pytest.raises(DefinitionError, match=r"needs \[extract\] time"):
        open_table(definition.model_copy(update={"extract": timeless}), tmp_path)
