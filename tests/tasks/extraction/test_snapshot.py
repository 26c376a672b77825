"""Extraction: which rows a snapshot holds, what names it, and which as-of cannot be."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from tables import ROWS, START, Project, define

from tasks.core.definition import parse_definition
from tasks.core.errors import DataRefused, DefinitionError
from tasks.extraction.snapshot import settle_as_of
from tasks.sources.query import digest_sources, open_table

WINDOW = 'time = "t"\nkey = ["id"]\nwindow = "2d"'
LATER = datetime(2999, 1, 1)


def test_snapshot_holds_the_window_up_to_as_of(made: Project) -> None:
    made.write(ROWS)
    plan = made.plan(as_of=START + timedelta(hours=100), extract=WINDOW)
    snapshot = made.snapshot(plan)
    assert snapshot.scan().collect()["id"].to_list() == list(range(53, 101))
    assert snapshot.newest == plan.as_of == datetime(2020, 1, 5, 4, tzinfo=UTC)


def test_as_of_is_the_newest_time_that_is_not_to_come(made: Project) -> None:
    made.write(ROWS.with_columns(t=pl.when(pl.col("id") < 3).then(LATER).otherwise("t")))
    plan = made.plan()
    assert plan.as_of == (START + timedelta(hours=399)).replace(tzinfo=UTC)
    snapshot = made.snapshot(plan)
    assert (snapshot.rows, snapshot.future_rows) == (397, 3)


def test_same_rows_in_another_order_make_the_same_snapshot(made: Project) -> None:
    query = 'query = "SELECT * FROM s"\ntime = "t"\n'
    for extract in ('time = "t"\nkey = ["id"]', query + 'key = ["id"]', query):
        snapshots = []
        for rows in (ROWS, ROWS.sample(fraction=1, shuffle=True, seed=1)):
            _, snapshot = made.extract(rows, extract=extract)
            snapshots.append(snapshot.scan().collect())
        assert_frame_equal(*snapshots)


def test_snapshot_is_named_by_what_it_is_made_of(made: Project) -> None:
    made.write(ROWS)
    plan = made.plan()
    assert made.plan(training="seed = 2").snapshot == plan.snapshot
    assert made.plan(extract=WINDOW).snapshot != plan.snapshot
    assert made.plan(as_of=START + timedelta(hours=9)).snapshot != plan.snapshot
    made.write(ROWS.with_columns(x=pl.lit(1.0)))
    assert made.plan().snapshot != plan.snapshot


@pytest.mark.parametrize("days", [-1, 99])
def test_empty_window_tells_what_the_sources_hold(made: Project, days: int) -> None:
    made.write(ROWS)
    as_of = START + timedelta(days=days)
    plan = made.plan(as_of=as_of, extract=WINDOW)
    asked = f"no row after {as_of - timedelta(days=2)}"[:-3] + f" and up to as-of {as_of}"[:-3]
    held = "they hold 2020-01-01 00:00 to 2020-01-17 15:00"
    with pytest.raises(DataRefused, match=f"^made.toml: {asked} UTC; {held} .*change --as-of"):
        made.snapshot(plan)


@pytest.mark.parametrize(
    ("as_of", "extract", "said"),
    [
        (LATER, 'time = "t"', "--as-of 2999-01-01 00:00 UTC is in the future"),
        (datetime(1, 1, 1), WINDOW, "is before the year 1000"),
        (START, "", r"--as-of needs \[extract\] time"),
    ],
)
def test_as_of_that_cannot_be_is_refused(
    made: Project, as_of: datetime, extract: str, said: str
) -> None:
    made.write(ROWS)
    with pytest.raises(DefinitionError, match=said):
        made.plan(as_of=as_of, extract=extract)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (ROWS[:0], r"\[sources\]: hold no rows"),
        (ROWS.with_columns(t=pl.lit(LATER)), r"'t' holds no time before now .* of 400 rows"),
        (ROWS.with_columns(t=pl.lit(None, pl.Datetime)), "'t' holds no time before now"),
        (ROWS.with_columns(t=pl.lit(None)), "'t' holds no time before now"),
    ],
    ids=["no rows", "all to come", "none known", "no type"],
)
def test_rows_without_a_past_are_refused(made: Project, rows: pl.DataFrame, said: str) -> None:
    made.write(rows)
    with pytest.raises(DataRefused, match=said):
        made.plan()


def test_sentinel_times_are_no_as_of(made: Project) -> None:
    beyond = pl.lit(18_000 * 365 * 86_400 * 10**6).cast(pl.Datetime("us"))
    rows = ROWS.with_columns(
        t=pl.when(pl.col("id") < 2).then(beyond).when(pl.col("id") < 4).then(datetime(1, 1, 1))
        .otherwise("t")
    )  # fmt: skip
    made.write(rows)
    definition = parse_definition(define(), "made.toml")
    table = open_table(definition, made.folder)
    assert settle_as_of(table, None, datetime.now(UTC)) == datetime(2020, 1, 17, 15, tzinfo=UTC)
    with pytest.raises(DataRefused, match=r"they hold 0001-01-01 00:00 to \+19\d\d\d-"):
        made.snapshot(made.plan(as_of=datetime(1001, 1, 1), extract='time = "t"\nwindow = "1d"'))


def test_digests_ignore_what_files_are_called(made: Project) -> None:
    digests = []
    for name in ("a.parquet", "b.parquet"):
        made.write({name: ROWS})
        definition = parse_definition(define(sources=f's = "{name}"'), "made.toml")
        digests.append(digest_sources(open_table(definition, made.folder)))
    assert digests[0] == digests[1]


def test_sources_without_a_row_are_refused(made: Project) -> None:
    with pytest.raises(DataRefused, match=r"^made.toml: the sources hold no rows$"):
        made.extract(ROWS.clear(), extract='key = ["id"]')
