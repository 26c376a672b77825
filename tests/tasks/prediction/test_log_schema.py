"""A part of the prediction log, as it is written and read."""

from datetime import UTC, datetime
from io import BytesIO

import polars as pl
import pytest
from tables import define

from tasks.core.columns import LOGGED
from tasks.core.definition import Definition, parse_definition
from tasks.prediction.log_schema import make_part, part_path, write_part

ROWS = pl.DataFrame({"x": [1.5, None], "name": ["a", "b"]})


def definition(kind: str) -> Definition:
    text = define(target=f'value = "y"\nkind = "{kind}"', serving='log_without = ["name"]')
    return parse_definition(text, "made.toml")


@pytest.mark.parametrize(
    ("kind", "predictions"),
    [("binary", [0.25, 0.5]), ("multiclass", [[0.25, 0.75], [0.5, 0.5]])],
)
def test_part_has_the_log_s_columns_then_the_raw_ones_that_are_kept(
    kind: str, predictions: list[object]
) -> None:
    part = make_part(definition(kind), "v1", ROWS, predictions, [0, 1_000_000], ["r1", "r2"])
    read = pl.read_parquet(BytesIO(write_part(part)))
    assert read.columns == [*LOGGED, "x"]
    assert read.rows()[1] == (
        datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC), "r2", "v1", predictions[1], None,
    )  # fmt: skip


def test_parts_lie_by_the_hour_in_which_they_are_written() -> None:
    now = datetime(2020, 2, 3, 4, 5, tzinfo=UTC)
    assert part_path("made", now, "p") == "predictions/made/date=2020-02-03/hour=04/p.parquet"
