"""Who is on which side: no group is on two, and a row's side hangs on that row alone."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tables import START, define

from tasks.core.columns import ROLE, TIME
from tasks.core.definition import Definition, parse_definition
from tasks.preparation.row_parts import (
    Split,
    SplitRole,
    group_columns,
    part_of_row,
    split_by_hash,
)

TRAINING = (SplitRole.FIT, SplitRole.STOP)
BORDERS = {"gap": 40, "holdout": 50, "matured": 80}
SPLIT = Split(
    **{name: START.replace(tzinfo=UTC) + timedelta(hours=hour) for name, hour in BORDERS.items()}
)


def grouped(extract: str, **training: object) -> Definition:
    keys = "".join(f"\n{name} = {value}" for name, value in training.items())
    return parse_definition(define(extract=extract, training=f'group = "g"{keys}'), "made.toml")


def part(definition: Definition, rows: pl.DataFrame, split: Split) -> pl.DataFrame:
    return rows.with_columns(part_of_row(definition, split, rows.columns).alias(ROLE))


def at(hour: int) -> datetime:
    return START.replace(tzinfo=UTC) + timedelta(hours=hour)


ROWS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 80)), min_size=1, max_size=60)


@pytest.mark.parametrize("extract", ['time = "t"', ""], ids=["time", "no time"])
@given(rows=ROWS, seed=st.integers(0, 5))
def test_no_group_is_on_two_sides(extract: str, rows: list[tuple[int, int]], seed: int) -> None:
    definition = grouped(extract, seed=seed)
    table = pl.DataFrame({"g": [group for group, _ in rows], TIME: [at(hour) for _, hour in rows]})
    parted = part(definition, table, SPLIT if extract else Split())
    groups = {role: set(parted.filter(pl.col(ROLE) == role)["g"]) for role in SplitRole}
    assert not groups[SplitRole.FIT] & groups[SplitRole.STOP]
    assert not (groups[SplitRole.FIT] | groups[SplitRole.STOP]) & groups[SplitRole.HOLDOUT]
    if extract:
        times = {role: parted.filter(pl.col(ROLE) == role)[TIME] for role in SplitRole}
        assert all(time < SPLIT.gap for role in TRAINING for time in times[role])
        assert all(time >= SPLIT.holdout for time in times[SplitRole.HOLDOUT])
        between = parted.filter(pl.col(TIME).is_between(SPLIT.gap, SPLIT.holdout, closed="left"))
        assert times[SplitRole.GAP].sort().equals(between[TIME].sort())


@pytest.mark.parametrize("stopping", [50, 0])
def test_a_third_of_the_groups_judges_where_there_is_a_time(stopping: int) -> None:
    definition = grouped('time = "t"', early_stopping=stopping, stopping_share=0.2)
    table = pl.DataFrame({"g": range(6000)}).join(
        pl.DataFrame({TIME: [at(0), at(79)]}), how="cross"
    )
    counts = dict(part(definition, table, SPLIT).group_by(ROLE).len().iter_rows())
    expected = {SplitRole.FIT: 4000, SplitRole.HOLDOUT: 2000, SplitRole.GROUP: 2000 + 4000}
    if stopping:
        expected |= {SplitRole.FIT: 3200, SplitRole.STOP: 800}
    assert counts == {role: pytest.approx(count, rel=0.07) for role, count in expected.items()}


def test_a_groups_side_is_the_same_whatever_its_column_is_typed_or_who_else_is_there() -> None:
    definition = grouped("")
    table = pl.DataFrame({"g": range(500)})
    sides = part(definition, table, Split())[ROLE]
    fewer = part(definition, table.cast(pl.Int16)[100:200], Split())[ROLE]
    assert fewer.equals(sides[100:200])


def test_a_group_may_be_computed() -> None:
    text = define(extract="", training="group = \"CONCAT(c, '-', k)\"")
    definition = parse_definition(text, "made.toml")
    assert sorted(group_columns(definition)) == ["c", "k"]
    assert group_columns(parse_definition(define(), "made.toml")) == []


@pytest.mark.parametrize("extract", ["", 'key = ["a", "b"]'], ids=["whole row", "key"])
def test_rows_that_are_alike_but_for_their_target_are_on_one_side(extract: str) -> None:
    definition = parse_definition(define(extract=extract), "made.toml")
    rows = pl.DataFrame({"a": range(50)}).join(pl.DataFrame({"b": range(2)}), how="cross")
    rows = rows.join(pl.DataFrame({"y": [0, 1]}), how="cross")
    split = split_by_hash(definition, rows.columns)
    sides = part(definition, rows, split).group_by("a", "b").agg(pl.col(ROLE).n_unique())
    assert sides[ROLE].to_list() == [1] * len(sides)


def test_a_table_of_its_target_alone_is_split_by_it() -> None:
    definition = parse_definition(define(extract=""), "made.toml")
    assert split_by_hash(definition, ["y", TIME]) == Split()


def test_a_version_from_before_tells_its_parts_as_it_did() -> None:
    definition = parse_definition(define(extract=""), "made.toml")
    rows = pl.DataFrame({"a": range(400), "y": [0, 1] * 200})
    kept = Split.model_validate_json('{"stop":null,"gap":null,"holdout":null,"matured":null}')
    whole = rows.select(pl.struct("a", "y").hash(definition.training.seed) / 2.0**64).to_series()
    assert (part(definition, rows, kept)[ROLE] == SplitRole.HOLDOUT).equals(whole >= 0.8)
    assert Split().model_dump_json() == kept.model_dump_json()
