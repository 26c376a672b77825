"""A file's format, separator and header are told by what it holds."""

import gzip
from pathlib import Path
from typing import Any

import pytest
from drafts import ROWS, Draft, X, Y

from tasks.core.errors import PerennialError, SourceError
from tasks.init.propose import draft_definition


def test_compressed_file_is_read_by_its_ending(draft: Draft, tmp_path: Path) -> None:
    lines = "\n".join(["x,y", *(f"{X[row]},{Y[row]}" for row in range(ROWS))])
    (tmp_path / "table.csv.gz").write_bytes(gzip.compress(lines.encode()))
    definition, _ = draft("table.csv.gz", "y")
    assert definition.sources["table"].format == "csv"


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        (b'[{"a": 1, "y": 2}]', "t.json", "is one JSON array; write one object a line (NDJSON)"),
        (b"a\0b,y\n1,2\n", "t.csv", "is neither Parquet, nor CSV, nor NDJSON"),
        (b"^x$,y\n1,2\n3,4\n", "t.csv", "column '^x$' reads as a pattern of names; rename it"),
    ],
)
def test_file_that_cannot_be_drafted_from_is_named(
    tmp_path: Path, content: bytes, name: str, said: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(PerennialError) as refused:
        draft_definition(name, "y", time=None, key=(), name=None, project=tmp_path)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("lines", "target"),
    [
        (
            [f"{x:.2f},{y:.2f},{'ab'[int(y > 0)]}" for x, y in zip(X, Y, strict=True)],
            "ab"[int(Y[0] > 0)],
        ),
        ([f"{row % 7},{'uvw'[row % 3]},{3 + row % 11},{9 - row % 5}" for row in range(ROWS)], "u"),
        ([f"{'pq'[row % 2]},{'uvw'[row % 3]},{'kl'[row % 5 > 1]}" for row in range(ROWS)], "u"),
        ([f"2021-01-{1 + row % 28:02};{row * 7 % 91};{1 + row % 3}" for row in range(ROWS)], "1"),
    ],
)
def test_file_without_a_header_is_told(tmp_path: Path, lines: list[str], target: str) -> None:
    (tmp_path / "t.csv").write_text("\n".join(lines))
    given: dict[str, Any] = {"time": None, "key": (), "name": None, "project": tmp_path}
    with pytest.raises(
        PerennialError, match="there seems to be no header: the first row"
    ) as refused:
        draft_definition("t.csv", "churned", **given)
    assert refused.value.exit_code == 2
    _, _, doubts = draft_definition("t.csv", target, **given)
    assert "there seems to be no header" in doubts[0]


def test_twins_in_a_file_without_a_header_are_no_columns_to_rename(tmp_path: Path) -> None:
    rows = "\n".join(f"1,1,{'ab'[row % 2]}" for row in range(50))
    (tmp_path / "t.csv").write_text(rows)
    with pytest.raises(SourceError, match="there seems to be no header"):
        draft_definition("t.csv", "a", time=None, key=(), name=None, project=tmp_path)


@pytest.mark.parametrize(
    "header", ["x,y", "2020,2021", "country,2020", "0,1", "x1,x2", "a b,1", "10%,20%"]
)
def test_header_of_numbers_is_a_header(tmp_path: Path, header: str) -> None:
    first, target = header.split(",")
    word = first == "country"
    lines = [f"{'uvw'[row % 3] if word else row * 31 % 97},{row * 7 % 89}" for row in range(ROWS)]
    (tmp_path / "t.csv").write_text("\n".join([header, *lines]))
    given: dict[str, Any] = {"time": None, "key": (), "name": None, "project": tmp_path}
    *_, doubts = draft_definition("t.csv", target, **given)
    assert doubts[0] == "rows are split at random: no column says when they happened"
