"""A key is different in every row, or given."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from drafts import FLIGHTS, RNG, ROWS, Draft, line_of

from tasks.core.definition import parse_definition
from tasks.init.propose import draft_definition
from tasks.preparation.row_parts import Split, SplitRole, part_of_row
from tasks.sources.query import open_table


def test_planes_are_told_apart_by_their_tail_number(draft: Draft) -> None:
    definition, text = draft(str(FLIGHTS / "planes.parquet"), "seats")
    assert definition.extract.key == ("tailnum",)
    assert "names the row" in line_of(text, "# tailnum")


def test_given_key_may_repeat(draft_columns: Draft) -> None:
    definition, _ = draft_columns(columns={"who": [row // 2 for row in range(ROWS)]}, key=("who",))
    assert definition.extract.key == ("who",)
    assert 0.5 < definition.checks.duplicates < 1
    assert "who" not in (definition.features or {})


def test_target_is_never_the_key(draft_columns: Draft) -> None:
    definition, _ = draft_columns(columns={"y": RNG.permutation(ROWS)})
    assert definition.extract.key == ()


@pytest.mark.parametrize(
    "numbers",
    [
        pytest.param(list(range(ROWS)), id="each number"),
        pytest.param([row + row // 20 for row in range(ROWS)], id="some rows were taken out"),
    ],
)
def test_counter_is_a_key_with_a_question(draft_columns: Draft, numbers: list[int]) -> None:
    _, text = draft_columns(columns={"n": numbers})
    assert "counts the rows: does it go on in the next file?" in text


def test_rows_of_few_kinds_are_numbered_and_split_row_by_row(tmp_path: Path) -> None:
    rows = pl.DataFrame({name: RNG.integers(0, 3, 900) for name in ("a", "row_number")})
    yes = RNG.random(900) < 0.2 + 0.3 * rows["a"].to_numpy()
    rows.with_columns(yes=pl.Series(np.where(yes, "yes", "no"))).write_csv(tmp_path / "table.csv")
    _, text, doubts = draft_definition(
        "table.csv", "yes", time=None, key=(), name=None, project=tmp_path
    )
    assert doubts[1].startswith("[extract] key: 900 rows are of 9 kinds, alike in all but yes")
    definition = parse_definition(text, "made.toml")
    assert definition.extract.key == ("row_number_2",)
    table = open_table(definition, tmp_path).rows.collect()
    part = part_of_row(definition, Split(), table.columns)
    shares = table.group_by("a", "yes").agg((part == SplitRole.HOLDOUT).mean().alias("held"))
    assert table["row_number_2"].n_unique() == 900
    assert shares["held"].is_between(0.08, 0.35).all()
