"""A table that no model can come of is refused before anything is proposed."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from drafts import Draft

from tasks.core.errors import PerennialError, SourceError
from tasks.init.names import write_column
from tasks.init.propose import draft_definition


@pytest.mark.parametrize(
    ("header", "line", "options", "said"),
    [
        (
            "a,target",
            "1,2\n2,3",
            {"target": "targt"},
            "--target: there is no column 'targt'; did you mean 'target'?",
        ),
        ("a,y", "1,2\n2,2", {}, "--target: column 'y' is always 2"),
        ("a,y", "1,\n2,", {}, "--target: column 'y' holds no value"),
        ("y", "1\n2", {}, "'y' is the only column"),
        ("a,y", "1,1\n1,2", {}, "nothing is left to learn from: a (always 1)"),
        ("a,y", "1,2021-01-01\n2,2021-01-02", {}, "is Date, which no model here predicts"),
        ("a,y", "1,1\n2,2", {"time": "b"}, "--time: there is no column 'b'"),
        ("a,y", "1,1\n2,2", {"time": "a"}, "--time: column 'a' is Int64; a date or time is needed"),
        ("a,y", "soon,1\nlate,2", {"time": "a"}, "--time: column 'a' holds text in no date format"),
        ("a,y", "1,1\n2,2", {"key": ("y",)}, "--key: column 'y' is the target"),
        ("a,y", "1,1\n2,2", {"name": "My Model"}, "as 'my-model'"),
        ("a,y", "", {}, "holds no rows"),
        ("a,y", "1,2\n1,2,3", {}, "found more fields"),
        ("a,y", "1,1\n2,2", {"data": "tabel.csv"}, "no file matches"),
        ("a,y", "1,1\n2,2", {"data": ""}, "names no data"),
    ],
)
def test_refusal_is_one_line(
    tmp_path: Path, header: str, line: str, options: dict[str, Any], said: str
) -> None:
    (tmp_path / "table.csv").write_text(f"{header}\n" + f"{line}\n" * 50 * bool(line))
    given = {"data": "table.csv", "target": "y", "time": None, "key": (), "name": None} | options
    with pytest.raises(PerennialError) as refused:
        draft_definition(**given, project=tmp_path)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
    assert refused.value.exit_code == 2


def test_table_without_rows_is_named_and_a_word_of_sql_is_quoted(
    draft: Draft, tmp_path: Path
) -> None:
    pl.DataFrame(schema={"x": pl.Float64, "y": pl.Float64}).write_parquet(tmp_path / "e.parquet")
    with pytest.raises(SourceError, match=r"e.parquet: holds no rows"):
        draft("e.parquet", "y")
    schema = pl.Schema({"true": pl.Int64(), "x": pl.Int64()})
    assert [write_column(name, schema) for name in schema] == ['"true"', "x"]
