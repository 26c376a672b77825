"""The point-in-time join: a row gets what was known at its time, and nothing later."""

from datetime import timedelta
from typing import Any

import polars as pl
from entities import AGGREGATES, EVENTS, ROWS, START, define_table, make_events, make_rows, moment
from hypothesis import given
from hypothesis import strategies as st

from tasks.core.definition import Definition
from tasks.features.feature_tables import plan_tables
from tasks.features.point_in_time_join import look_up


def look_up_rows(definition: Definition, rows: pl.DataFrame, events: pl.DataFrame) -> list[Any]:
    frames = {"s": rows.lazy(), "events": events.lazy()}
    planned = plan_tables(definition, frames, rows.schema)
    found = look_up(rows.lazy(), pl.col("t"), definition.tables, planned).collect()
    assert len(found) == len(rows)
    values = list(definition.tables["past"].values)
    return found.sort("id").select(values).rows()


def known_events(
    row: dict[str, Any],
    events: pl.DataFrame,
    known_after: int,
    over: int | None,
    whole: bool = False,
) -> list[dict[str, Any]]:
    """Pick by a plain loop the events of a row's entity that count at its time, oldest first.

    Of the `whole`, all events are everybody's.
    """
    if (row["k"] is None and not whole) or row["t"] is None:
        return []
    found = []
    for event in events.to_dicts():
        if (event["k"] != row["k"] and not whole) or event["at"] is None:
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


@given(EVENTS, ROWS, st.integers(0, 5), st.none() | st.integers(1, 20))
def test_without_an_entity_all_events_are_everybody_s(
    drawn: Any, asked: Any, known_after: int, length: int | None
) -> None:
    events, rows = make_events(drawn), make_rows(asked)
    over = None if length is None else known_after + length
    keys = f'time = "at"\nknown_after = "{known_after}h"' + (f'\nover = "{over}h"' if over else "")
    definition = define_table(keys, AGGREGATES if over else {"last": "x"}, entity="[]")
    found = look_up_rows(definition, rows, events)
    known = [known_events(row, events, known_after, over, whole=True) for row in rows.to_dicts()]
    latest = [(each[-1]["x"] if each else None,) for each in known]
    assert found == ([aggregate(each) for each in known] if over else latest)


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
