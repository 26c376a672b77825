"""Preparation: who trains, who is held out, and that nobody learns what was not known by then."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from faults import small_disk
from hypothesis import given
from hypothesis import strategies as st
from tables import ROWS, START, Project, define

from tasks.core.columns import MATURED, ROLE, ROW, TARGET, TIME
from tasks.core.definition import parse_definition
from tasks.core.errors import DataRefused, DefinitionError, StorageFull
from tasks.extraction.run_plan import Plan
from tasks.preparation.labels import label_rows
from tasks.preparation.split import (
    Prepared,
    Split,
    SplitRole,
    part_of_row,
    prepare_rows,
    split_by_time,
)

ID, TESTS = pl.col("id"), Path(__file__).parents[2] / "support"
MATURES = 'value = "y"\nkind = "binary"\nmatures_after = "12h"'
NO_TIME = 'key = ["id"]'


def times(prepared: Prepared, *parts: SplitRole) -> tuple[datetime, datetime]:
    found = prepared.scan(*parts).select(low=pl.col(TIME).min(), high=pl.col(TIME).max())
    low, high = found.collect().row(0)
    return low, high


@pytest.mark.parametrize("holdout", ['"4d"', "0.25"])
@pytest.mark.parametrize("stopping", [50, 0])
def test_training_is_older_than_its_holdout_by_the_time_labels_take(
    made: Project, holdout: str, stopping: int
) -> None:
    training = f"holdout = {holdout}\nearly_stopping = {stopping}"
    plan, prepared = made.prepare(target=MATURES, training=training)
    train, held = times(prepared, SplitRole.FIT, SplitRole.STOP), times(prepared, SplitRole.HOLDOUT)
    assert plan.as_of is not None
    assert held[1] == plan.as_of - timedelta(hours=12)
    assert train[1] + timedelta(hours=12) < held[0]
    assert sum(prepared.rows.values()) == 400 - prepared.immature == 388
    assert prepared.rows["gap"] == 12
    if stopping:
        assert times(prepared, SplitRole.FIT)[1] < times(prepared, SplitRole.STOP)[0]
        assert prepared.rows["stop"] == pytest.approx(
            0.15 * (388 - 12 - prepared.rows["holdout"]), abs=1
        )
    else:
        assert prepared.rows["stop"] == 0


def test_rows_of_one_moment_are_in_one_part(made: Project) -> None:
    rows = ROWS.with_columns(t=pl.col("t").dt.truncate("36h"))
    _, prepared = made.prepare(rows, training="holdout = 0.3")
    parts = prepared.scan().group_by(TIME).agg(pl.col(ROLE).n_unique()).collect()
    assert parts[ROLE].to_list() == [1] * len(parts)
    assert all(prepared.rows[part] for part in ("fit", "stop", "holdout"))


def test_share_of_the_holdout_is_counted_in_rows(made: Project) -> None:
    _, prepared = made.prepare(training="holdout = 0.25")
    assert prepared.rows == {"fit": 255, "stop": 45, "gap": 0, "holdout": 100}


def test_unlabelled_rows_are_counted_and_left_out(made: Project) -> None:
    _, prepared = made.prepare(ROWS.with_columns(y=pl.when(ID % 4 > 0).then("y")))
    assert prepared.unlabelled == 100
    assert sum(prepared.rows.values()) == 300
    assert prepared.scan().select(pl.col(TARGET).null_count()).collect().item() == 0


def test_vocabulary_knows_only_what_trained(made: Project) -> None:
    rows = ROWS.with_columns(
        c=pl.when(ID >= 320).then(pl.lit("later")).when(ID < 5).then(pl.lit("rare")).otherwise("c")
    )
    _, prepared = made.prepare(rows, training="holdout = 0.2\ncategory_rows = 6")
    assert set(prepared.vocabulary.categories["c"]) == {"north", "south", "east", "west"}
    other = prepared.scan().filter(pl.col("c") == 0).select(ROW).collect()[ROW].to_list()
    assert other == [*range(5), *range(320, 400)]


def test_ten_thousand_levels_become_the_frequent_ones_and_other(made: Project) -> None:
    rows = pl.concat([ROWS.with_columns(id=ID + 400 * copy) for copy in range(30)])
    level = pl.when(ID % 6 == 0).then(pl.lit("often")).otherwise("level " + ID.cast(pl.String))
    _, prepared = made.prepare(rows.with_columns(c=level))
    assert prepared.vocabulary.categories["c"] == ("often",)
    assert set(prepared.scan().select("c").collect()["c"]) == {0, 1}


@pytest.mark.parametrize("extract", [NO_TIME, ""], ids=["key", "whole row"])
def test_hashed_rows_stay_in_their_part_whatever_else_is_there(made: Project, extract: str) -> None:
    checks = "duplicates = 1.0" if extract else ""
    _, prepared = made.prepare(extract=extract, checks=checks)
    parts = dict(zip(range(400), prepared.scan().collect()[ROLE], strict=True))
    again = pl.concat([ROWS[300:], ROWS[300:], ROWS[:50]])
    _, other = made.prepare(again, extract=extract, checks=checks)
    found = other.scan().select(ROW, ROLE).sort(ROW).collect()[ROLE].to_list()
    order = again["id"].sort() if extract else again["id"]
    assert found == [parts[number] for number in order]
    assert {name: round(count / 400, 1) for name, count in prepared.rows.items()} == {
        "fit": 0.7, "stop": 0.1, "gap": 0.0, "holdout": 0.2,
    }  # fmt: skip


def test_hash_is_the_same_in_another_process() -> None:
    definition = parse_definition(define(extract=NO_TIME), "made.toml")
    here = ROWS.select(part_of_row(definition, Split(), ROWS.columns)).to_series().to_list()
    code = (
        "from tables import *; from tasks.core.definition import parse_definition;"
        "from tasks.preparation.split import Split, part_of_row;"
        f"definition = parse_definition(define(extract='{NO_TIME}'), 'made.toml');"
        "print(ROWS.select(part_of_row(definition, Split(), ROWS.columns)).to_series().to_list())"
    )
    there = subprocess.check_output([sys.executable, "-c", code], cwd=TESTS, text=True)
    assert there.strip() == str(here)


@pytest.mark.parametrize(
    ("changed", "sections", "said"),
    [
        ({"y": pl.lit(True)}, {}, r"\[target\] value: is 1 in every training row"),
        ({"y": ID >= 330}, {}, r"\[target\] value: is 0 in every training row"),
        ({"y": (ID < 200) & (ID % 2 == 0)}, {}, r"\[target\] value: is 0 in every holdout row"),
        ({"y": pl.lit(1.5)}, {"target": 'value = "y"\nkind = "regression"'}, "is 1.5 in every"),
        ({"c": pl.lit("a")}, {"target": 'value = "c"\nkind = "multiclass"'}, "is 'a' in every"),
        ({"c": pl.when(ID.is_in([5, 6, 7])).then(pl.lit("few")).otherwise("c")},
         {"target": 'value = "c"\nkind = "multiclass"'}, "class 'few' has 3 rows in training"),
        ({}, {"training": 'holdout = "1h"'}, "leaves 2 labelled rows for holdout, and 50"),
        ({}, {"training": 'holdout = "16d"'}, "leaves 15 labelled rows for training, and 50"),
        ({}, {"training": 'holdout = "20d"'}, "no labelled row is left to train on"),
        ({}, {"target": MATURES.replace("12h", "9w")}, "no labelled row is left to train on"),
        ({"t": pl.lit(START)}, {}, "no labelled row is left to train on"),
        ({"t": pl.when(ID < 200).then(START).otherwise("t")}, {"training": "holdout = 0.5"},
         "all training rows have one event time"),
    ],
)  # fmt: skip
def test_split_that_teaches_nothing_is_refused(
    made: Project, changed: dict[str, pl.Expr], sections: dict[str, str], said: str
) -> None:
    with pytest.raises(DataRefused, match="^made.toml: .*" + said) as refusal:
        made.prepare(ROWS.with_columns(**changed), **sections)
    assert refusal.value.exit_code == 3


@pytest.mark.parametrize(("extract", "told"), [(NO_TIME, False), ('time = "t"', True)])
def test_another_as_of_is_advised_only_where_rows_have_a_time(
    made: Project, extract: str, told: bool
) -> None:
    with pytest.raises(DataRefused, match=r"more data,.* or change \[training\] holdout") as no:
        made.prepare(ROWS.head(32), extract=extract)
    assert ("--as-of" in str(no.value)) == told


@pytest.mark.parametrize("sql", ["CAST(c AS DOUBLE)", "DATE_PART('hour', STRPTIME(c, '%Y-%m-%d'))"])
def test_feature_that_fails_on_the_data_is_named(made: Project, sql: str) -> None:
    with pytest.raises(
        DefinitionError, match=r"^made.toml: \[features\] f: fails on the data"
    ) as no:
        made.prepare(features=f'x = "x"\nf = "{sql}"\nc = "c"')
    assert "\n" not in str(no.value)


def test_event_time_is_utc_in_every_part(made: Project) -> None:
    zone = 'time = "t"\nkey = ["id"]\ntime_zone = "America/New_York"'
    _, prepared = made.prepare(extract=zone)
    assert prepared.split.matured == datetime(2020, 1, 17, 20, tzinfo=UTC)
    assert times(prepared, SplitRole.HOLDOUT)[1] == datetime(2020, 1, 17, 20, tzinfo=UTC)


HOURS = st.integers(0, 60)


@given(
    hours=st.lists(HOURS | st.none(), min_size=1, max_size=40),
    as_of=HOURS,
    matures=st.integers(0, 20),
    holdout=st.floats(0.01, 0.9) | st.integers(1, 40).map('"{}h"'.format),
    stopping=st.sampled_from([0, 50]),
)
def test_no_row_is_on_two_sides_and_none_learns_from_what_was_not_known(
    hours: list[int | None], as_of: int, matures: int, holdout: float | str, stopping: int
) -> None:
    """Any times, with ties, gaps, missing ones and rows from after as-of, in any order."""
    target = f'value = "y"\nkind = "binary"\nmatures_after = "{matures}h"'
    training = f"holdout = {holdout}\nearly_stopping = {stopping}"
    definition = parse_definition(define(target=target, training=training), "made.toml")
    end, maturity = START.replace(tzinfo=UTC) + timedelta(hours=as_of), timedelta(hours=matures)
    plan = Plan.model_construct(definition=definition, origin="made.toml", as_of=end)
    at = [None if hour is None else START + timedelta(hours=hour) for hour in hours]
    rows = pl.LazyFrame({"t": pl.Series(at, dtype=pl.Datetime("us")), "y": [True] * len(at)})
    known = label_rows(plan.definition, plan.as_of, rows, pl.col("y").cast(pl.Float64)).filter(
        pl.col(MATURED)
    )
    try:
        split = split_by_time(plan, known)
    except DataRefused:  # no labelled row is left to train on
        return
    parted = known.with_columns(part_of_row(definition, split, ["t", "y"]).alias(ROLE)).collect()

    assert sorted(parted[ROW]) == [
        row for row, hour in enumerate(hours) if hour is not None and hour <= as_of - matures
    ]
    found = {part: parted.filter(pl.col(ROLE) == part)[TIME].to_list() for part in SplitRole}
    for before, after in zip(list(SplitRole), list(SplitRole)[1:], strict=False):
        assert not found[before] or not found[after] or max(found[before]) < min(found[after])
    assert split.holdout is not None
    assert all(time >= split.holdout for time in found[SplitRole.HOLDOUT])
    assert all(
        time + maturity < split.holdout for time in found[SplitRole.FIT] + found[SplitRole.STOP]
    )
    assert all(time + maturity >= split.holdout for time in found[SplitRole.GAP])


@given(st.lists(st.tuples(st.integers(0, 9), st.text(max_size=2)), min_size=2, max_size=40))
def test_rows_of_one_key_are_on_one_side_of_a_hashed_split(keys: list[tuple[int, str]]) -> None:
    definition = parse_definition(define(extract='key = ["id", "c"]'), "made.toml")
    rows = pl.DataFrame(keys, schema={"id": pl.Int64, "c": pl.String}, orient="row")
    rows = rows.with_columns(x=pl.int_range(pl.len()))
    part = part_of_row(definition, Split(), rows.columns)
    sides = rows.with_columns(part.alias(ROLE)).group_by("id", "c").agg(pl.col(ROLE).n_unique())
    assert sides[ROLE].to_list() == [1] * len(sides)
    assert (
        rows[::-1].select(part).to_series().to_list()
        == rows.select(part).to_series()[::-1].to_list()
    )


def test_full_disk_is_told_where_no_feature_is_to_blame(made: Project, tmp_path: Path) -> None:
    rows = pl.concat([ROWS] * 100).with_columns(x=pl.int_range(pl.len()).sin())
    plan, snapshot = made.extract(rows, extract='time = "t"')
    with small_disk(tmp_path / "disk", "64k") as disk, pytest.raises(StorageFull, match="is full"):
        prepare_rows(plan, snapshot, disk)
