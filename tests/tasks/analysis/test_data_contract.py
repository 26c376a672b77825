"""Analysis: what breaks the data contract is named with its numbers, what is odd is a warning."""

import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tables import ROWS, START, Project

from tasks.analysis.data_contract import check_columns, check_contract, check_silence, warn_of
from tasks.analysis.profile import profile_table
from tasks.core.checks import Check, failed
from tasks.core.data_sections import ColumnCheck
from tasks.core.errors import ContractBroken

ID = pl.col("id")


def check(made: Project, rows: pl.DataFrame = ROWS, **sections: str) -> dict[str, Check]:
    plan, snapshot = made.extract(rows, **sections)
    checks = check_contract(plan, snapshot, profile_table(snapshot.scan()))
    return {each.name: each for each in checks}


def warn(made: Project, rows: pl.DataFrame, **sections: str) -> list[str]:
    plan, snapshot = made.extract(rows, **sections)
    return list(warn_of(plan, snapshot, profile_table(snapshot.scan())))


def test_sound_rows_keep_the_contract_without_a_warning(made: Project) -> None:
    assert not failed(check(made).values())
    assert warn(made, ROWS) == []


def some(column: str, value: object) -> dict[str, pl.Expr]:
    """Put a value into the first four rows of a column."""
    return {column: pl.when(ID < 4).then(value).otherwise(column)}


NOTHING, NAN, SOUTH = pl.lit(None), pl.lit(float("nan")), 'values = ["north", "south", "east"]'
BROKEN: list[tuple[dict[str, Any], dict[str, str], str, str]] = [
    ({"id": ID // 2}, {}, "duplicates", r"200 of 400 rows \(50.00%\) repeat key 'id'"),
    ({"x": NOTHING}, {}, "values of 'x'", "column 'x' holds no value at all"),
    ({"x": NOTHING.cast(pl.Float64)}, {}, "values of 'x'", "column 'x' holds no value at all"),
    ({"x": NAN}, {}, "values of 'x'", "column 'x' holds no value at all"),
    (some("x", float("inf")), {}, "infinity of 'x'", "4 of 400 .* infinity in column 'x'"),
    (some("t", None), {}, "time of 't'", "4 rows have no time in 't'"),
    (some("t", datetime(2999, 1, 1)), {}, "future of 't'", "4 rows have a 't' later than now"),
    ({"y": pl.when(ID % 3 == 0).then("y")}, {}, "unlabelled", "266 of 400 .* lack a label"),
    (
        {"t": pl.when(ID < 200).then("t").otherwise(pl.col("t") + timedelta(days=8))},
        {},
        "silence",
        "no row for 8.0 days .* at most 7.0 days allowed",
    ),
    ({}, {"checks": 'max_silence = "30m"'}, "silence", "no row for 0.0 days"),
    ({}, {"checks": "rows = 500"}, "rows", "400 rows, at least 500 needed"),
    ({}, {"checks": 'max_age = "9d"'}, "freshness", "days old, at most 9.0 days"),
    ({}, {"checks": "label_rate = [0.9, 1.0]"}, "label_rate", "are true, must be 0.9 to 1"),
    ({}, {"checks.columns.c": "min = 1"}, "type of 'c'", "'c' is text, must be number"),
    ({}, {"checks.columns.x": 'type = "text"'}, "type of 'x'", "'x' is number, must be text"),
    ({}, {"checks.columns.x": "min = 1"}, "below 1 of 'x'", "are below 1, at most 0.00%"),
    ({}, {"checks.columns.x": "max = 9"}, "above 9 of 'x'", "are above 9, at most 0.00%"),
    ({}, {"checks.columns.c": SOUTH}, "unlisted values of 'c'", "100 of 400 rows"),
    (some("x", None), {"checks.columns.x": "nulls = 0"}, "nulls of 'x'", "4 of 400 rows"),
]


@pytest.mark.parametrize(("changed", "sections", "name", "said"), BROKEN)
def test_broken_rule_is_named_with_its_numbers(
    made: Project, changed: dict[str, pl.Expr], sections: dict[str, str], name: str, said: str
) -> None:
    broken = failed(check(made, ROWS.with_columns(**changed), **sections).values())
    assert [each.name for each in broken] == [name]
    assert re.search(said, broken[0].detail)


def test_column_that_a_published_contract_names_and_that_is_gone_is_named() -> None:
    rows = ROWS.lazy()
    (found,) = check_columns({"xx": ColumnCheck()}, rows, profile_table(rows))
    assert (found.name, found.passed) == ("column 'xx'", False)
    assert found.detail == "there is no column 'xx'; did you mean 'x'?"


def test_share_that_may_break_a_rule_is_allowed(made: Project) -> None:
    rows = ROWS.with_columns(**some("x", float("inf")))
    infinite = check(made, rows, **{"checks.columns.x": "infinite = 0.01"})["infinity of 'x'"]
    assert infinite.passed
    assert infinite.numbers == {"count": 4, "share": 0.01, "allowed": 0.01}


@pytest.mark.parametrize("allowed", [0, 0.009, 0.01])
@pytest.mark.parametrize("features", ['x = "x"', 'k = "k"'], ids=["fed", "not fed"])
def test_infinity_is_counted_whether_or_not_a_feature_needs_the_column(
    made: Project, features: str, allowed: float
) -> None:
    rows = ROWS.with_columns(**some("x", float("-inf")))
    rule = {"checks.columns.x": f"infinite = {allowed}", "features": features}
    found = check(made, rows, **rule)["infinity of 'x'"]
    assert found.passed == (allowed == 0.01)
    assert found.numbers == {"count": 4, "share": 0.01, "allowed": allowed}


def test_missing_numbers_are_not_above_a_limit(made: Project) -> None:
    rows = ROWS.with_columns(**some("x", float("nan")))
    checks = check(made, rows, **{"checks.columns.x": "max = 11\nnulls = 0.01"})
    assert not failed(checks.values())
    assert checks["nulls of 'x'"].numbers["count"] == 4


def test_local_times_that_clocks_skip_are_counted(made: Project) -> None:
    spring = datetime(2020, 3, 1)
    rows = ROWS.with_columns(t=pl.Series([spring + timedelta(hours=hour) for hour in range(400)]))
    zone = 'time = "t"\nkey = ["id"]\ntime_zone = "America/New_York"'
    untimed = check(made, rows, extract=zone)["time of 't'"]
    assert not untimed.passed
    assert untimed.numbers["count"] == 1


def test_labels_that_have_not_matured_do_not_count_as_lacking(made: Project) -> None:
    rows = ROWS.with_columns(y=pl.when(ID >= 376).then(None).otherwise("y"))
    target = 'value = "y"\nkind = "binary"\nmatures_after = "1d"'
    assert check(made, rows, target=target)["unlabelled"].numbers["count"] == 0


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (pl.lit(1.5), "column 'x' has one value only"),
        (pl.lit("north"), "column 'x' has one value only"),
        (pl.lit(True), "column 'x' has one value only"),
        (pl.when(ID % 2 > 0).then(1.0), "column 'x' has one value only"),
        (pl.when(ID % 7 > 0).then(ID.cast(pl.String)).otherwise(pl.lit("?")), "86% of it are"),
    ],
)
def test_odd_column_is_a_warning(made: Project, value: pl.Expr, said: str) -> None:
    rows = ROWS.with_columns(x=value)
    assert not failed(check(made, rows).values())
    (warning,) = warn(made, rows)
    assert said in warning


def test_codes_that_look_like_numbers_are_no_warning(made: Project) -> None:
    assert warn(made, ROWS.with_columns(x=(ID % 40).cast(pl.String))) == []


def test_feature_made_of_the_target_is_a_warning(made: Project) -> None:
    (warning,) = warn(made, ROWS, features='x = "x"\nlate = "CASE WHEN y THEN 1 ELSE 0 END"')
    assert "column 'y' is in a feature and in the target" in warning


def test_broken_contract_ends_the_run_and_publishes_nothing(
    made: Project, prefect_harness: None
) -> None:
    from flows.retrain import retrain

    made.write(ROWS.with_columns(id=ID // 2, x=pl.lit(None)))
    made.plan(as_of=START + timedelta(days=99))
    with pytest.raises(ContractBroken) as refusal:
        retrain("made.toml")
    assert refusal.value.exit_code == 3
    for said in ("made.toml: ", "repeat key 'id'", "column 'x' holds no value", "what [checks]"):
        assert said in str(refusal.value)
    assert [path.name for path in Path("root").iterdir()] == ["tmp"]
    assert not list(Path("root/tmp").glob("perennial-*"))


def test_rows_of_one_moment_were_never_silent(made: Project) -> None:
    plan, snapshot = made.extract(ROWS.with_columns(t=pl.lit(START)))
    assert list(check_silence(plan.definition, snapshot)) == []
