"""A split by groups asks for a group of each row, and for enough of them on both sides."""

import polars as pl
import pytest
from tables import ROWS, Project

from tasks.core.columns import GROUP
from tasks.core.errors import DataRefused
from tasks.preparation.split import SplitRole

ID = pl.col("id")
GROUPED, NO_TIME = 'group = "g"', 'key = ["id"]'
MANY = pl.concat([ROWS.with_columns(id=ID + 400 * copy) for copy in range(4)])


@pytest.mark.parametrize("extract", ['time = "t"', NO_TIME])
def test_rows_are_split_by_group_and_what_is_left_out_is_counted(
    made: Project, extract: str
) -> None:
    rows = MANY.with_columns(g=ID % 97)
    plan, prepared = made.prepare(rows, extract=extract, training=f"{GROUPED}\nholdout = 0.3")
    groups = {role: set(prepared.scan(role).collect()[GROUP]) for role in SplitRole}
    assert not (groups[SplitRole.FIT] | groups[SplitRole.STOP]) & groups[SplitRole.HOLDOUT]
    assert sum(prepared.rows.values()) == len(rows)
    assert (prepared.rows["group"] > 0) == (plan.as_of is not None)


def test_rows_without_a_group_are_refused_with_their_number(made: Project) -> None:
    rows = MANY.with_columns(g=pl.when(ID % 100 > 0).then(ID % 97))
    said = r"^made.toml: \[training\] group: 'g' is missing in 16 labelled rows; .*COALESCE"
    with pytest.raises(DataRefused, match=said):
        made.prepare(rows, training=GROUPED)


@pytest.mark.parametrize(
    ("groups", "extract", "said"),
    [
        (70, NO_TIME, "has 1. different values in the holdout"),
        (22, NO_TIME, "values in training"),
        (3, NO_TIME, "different values"),
    ],
)
def test_too_few_groups_are_refused_with_what_to_do(
    made: Project, groups: int, extract: str, said: str
) -> None:
    rows = MANY.with_columns(g=ID % groups)
    with pytest.raises(DataRefused, match=rf"\[training\] group: 'g' .*{said}.*20 are needed"):
        made.prepare(rows, extract=extract, training=GROUPED)


def test_a_definition_without_groups_prepares_no_column_of_them(made: Project) -> None:
    _, prepared = made.prepare()
    assert GROUP not in prepared.scan().collect_schema()
    assert set(prepared.rows) == {"fit", "stop", "gap", "holdout"}
