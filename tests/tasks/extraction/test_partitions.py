"""Partitions: which tables can be read file by file, and that growth reads new files only."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from tables import ROWS, START, Project, define

from tasks.core.definition import parse_definition
from tasks.extraction import partitions
from tasks.extraction.partitions import find_divisible, find_partitions, recall_parts
from tasks.extraction.snapshot import Snapshot, describe_snapshot, extract_snapshot
from tasks.registry.snapshots import snapshot_path
from tasks.registry.versions import publish, version_path
from tasks.sources.query import open_table
from tasks.storage.store import open_store

FILES = 's = "s-*.parquet"\nother = "other.parquet"'
JOIN = "SELECT s.*, o.z FROM s LEFT JOIN other AS o ON s.c = o.c WHERE x < 10"
EXTRACT = f'query = "{JOIN}"\ntime = "t"\nkey = ["id"]'
OTHER = pl.DataFrame({"c": ["north", "south"], "z": [1, 2]})
DAYS = {f"s-{number}.parquet": ROWS[100 * number : 100 * number + 100] for number in range(4)}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a partition of every file."""
    monkeypatch.setattr(partitions, "_ROWS", 1)


def extract(
    made: Project, name: str, earlier: dict[str, Path] | None = None, **plan: Any
) -> Snapshot:
    planned = made.plan(**{"sources": FILES, "extract": EXTRACT, **plan})
    table = open_table(planned.definition, planned.project)
    folder = made.folder / name
    return describe_snapshot(planned, table, extract_snapshot(planned, table, folder, earlier))


def keys(snapshot: Snapshot) -> dict[str, Path]:
    """Give parts by the keys in their names."""
    return {part.stem.split("-")[2]: part for part in snapshot.parts if part.stem.count("-") == 2}


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM s",
        JOIN,
        "select CAST(x AS BIGINT) AS x, CASE WHEN c = 'group' THEN 1 END AS g from s where (k > 1)",
        "SELECT s.x FROM s -- DISTINCT\nINNER JOIN other o ON s.c = o.c AND COALESCE(o.z, 1) = 1",
    ],
)
def test_queries_that_go_row_by_row_can_be_divided(query: str) -> None:
    definition = parse_definition(
        define(sources=FILES, extract=f"query = '''{query}'''"), "made.toml"
    )
    assert find_divisible(definition) == "s"


@pytest.mark.parametrize(
    "query",
    [
        "SELECT DISTINCT * FROM s",
        "SELECT c, MAX(x) AS x FROM s GROUP BY c",
        "SELECT COUNT(*) AS n FROM s",
        "SELECT SUM(x) AS x FROM s",
        "SELECT x, ROW_NUMBER() OVER (ORDER BY t) AS n FROM s",
        "SELECT * FROM s ORDER BY x LIMIT 5",
        "SELECT * FROM s UNION ALL SELECT * FROM s",
        "SELECT * FROM s WHERE x > (SELECT MAX(x) FROM s)",
        "WITH a AS (SELECT * FROM s) SELECT * FROM a",
        "SELECT s.x FROM s LEFT JOIN s AS a ON s.c = a.c",
        "SELECT s.x FROM s, other",
        "SELECT s.x FROM other RIGHT JOIN s ON s.c = other.c",
        "SELECT s.x FROM s FULL JOIN other ON s.c = other.c",
        "SELECT s.x FROM s SEMI JOIN other ON s.c = other.c",
        "SELECT s.x FROM s LEFT JOIN (SELECT * FROM other) o ON s.c = o.c",
        'SELECT x FROM "s"',
    ],
)
def test_queries_that_may_look_at_more_than_one_row_are_not_divided(query: str) -> None:
    definition = parse_definition(
        define(sources=FILES, extract=f"query = '''{query}'''"), "made.toml"
    )
    assert find_divisible(definition) is None


def test_rows_by_partition_are_those_of_the_whole(
    made: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    made.write({**DAYS, "other.parquet": OTHER})
    for window in ("", '\nwindow = "9d"'):
        late = START + timedelta(hours=350)
        snapshot = extract(made, f"parts{window[1:4]}", extract=EXTRACT + window, as_of=late)
        assert len(snapshot.parts) == (3 if window else 4)
        assert len(keys(snapshot)) == (1 if window else 3)
        with monkeypatch.context() as patch:
            patch.setattr(partitions, "_ROWS", 1000)
            whole = extract(made, f"whole{window[1:4]}", extract=EXTRACT + window, as_of=late)
        assert len(whole.parts) == 1
        assert_frame_equal(snapshot.scan().collect(), whole.scan().collect())


def test_only_new_files_are_read_when_a_snapshot_grows(made: Project) -> None:
    made.write({**dict(list(DAYS.items())[:3]), "other.parquet": OTHER})
    first = extract(made, "first")
    earlier = keys(first)
    assert len(earlier) == 3
    made.write(DAYS)
    marked = {key: mark(part, made.folder / f"{key}.parquet") for key, part in earlier.items()}
    rows = extract(made, "grown", marked).scan().collect()
    assert (rows["z"] == 99).sum() == first.rows
    assert_frame_equal(rows[first.rows :], extract(made, "anew").scan().collect()[first.rows :])


def mark(part: Path, to: Path) -> Path:
    """Copy a part with something in it that the sources do not hold."""
    pl.read_parquet(part).with_columns(z=pl.lit(99, pl.Int64)).write_parquet(to)
    return to


@pytest.mark.parametrize("changed", ["other", "file", "query", "key"])
def test_partitions_whose_sources_or_query_changed_are_read_anew(
    made: Project, changed: str
) -> None:
    made.write({**DAYS, "other.parquet": OTHER})
    before = keys(extract(made, "before"))
    extracted = EXTRACT
    if changed == "other":
        made.write({"other.parquet": OTHER.with_columns(z=pl.col("z") + 1)})
    elif changed == "file":
        made.write({"s-1.parquet": DAYS["s-1.parquet"].with_columns(x=pl.col("x") + 1)})
    elif changed == "query":
        extracted = EXTRACT.replace("x < 10", "x < 9")
    else:
        extracted = EXTRACT.replace('["id"]', '["id", "c"]')
    after = keys(extract(made, "after", extract=extracted))
    assert len(set(before) & set(after)) == (3 if changed == "file" else 0)


def test_files_whose_times_overlap_are_sorted_as_a_whole(made: Project) -> None:
    mixed = {f"s-{number}.parquet": ROWS.gather_every(2, number) for number in range(2)}
    made.write({**mixed, "other.parquet": OTHER})
    snapshot = extract(made, "mixed")
    assert [part.name for part in snapshot.parts] == ["part-0000.parquet"]
    assert snapshot.scan().collect()["id"].is_sorted()
    assert len(list(snapshot.parts[0].parent.iterdir())) == 1


def test_large_tables_are_not_joined_to_every_partition(
    made: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    made.write({**DAYS, "other.parquet": OTHER})
    definition = parse_definition(define(sources=FILES, extract=EXTRACT), "made.toml")
    table = open_table(definition, made.folder)
    assert len(find_partitions(definition, table, {})) == 4
    monkeypatch.setattr(partitions, "_JOINED_ROWS", 1)
    assert not find_partitions(definition, table, {})


def test_files_of_other_types_or_order_are_read_as_a_whole(made: Project) -> None:
    wider = DAYS["s-1.parquet"].with_columns(pl.col("k").cast(pl.Int32))
    made.write({**DAYS, "s-1.parquet": wider, "other.parquet": OTHER})
    definition = parse_definition(define(sources=FILES, extract=EXTRACT), "made.toml")
    assert not find_partitions(definition, open_table(definition, made.folder), {})


def test_parts_are_recalled_from_the_newest_version_unless_they_were_changed(made: Project) -> None:
    made.write({**DAYS, "other.parquet": OTHER})
    store = open_store()
    assert recall_parts(store, "made", made.folder / "none") == {}
    first = extract(made, "first")
    snapshot = publish(store, first.parts[0].parent, snapshot_path(first.digest))
    version = made.folder / "version"
    version.mkdir()
    (version / "lineage.json").write_text(json.dumps({"snapshot": first.digest}))
    publish(store, version, version_path("made", "20200117T150000Z-0123456789"))
    recalled = recall_parts(store, "made", made.folder / "recalled")
    assert recalled == {
        key: Path(store.root, snapshot.path, part.name) for key, part in keys(first).items()
    }
    with recalled.popitem()[1].open("ab") as part:
        part.write(b"?")
    assert recall_parts(store, "made", made.folder / "damaged") == {}
