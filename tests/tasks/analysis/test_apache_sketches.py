import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import polars as pl
import pytest

from tasks.analysis import apache_sketches, profile
from tasks.analysis.column_summary import summarise

NAME = "whylogs_sketching"
DATA = Path(__file__).parents[3] / "data/nycflights13"
# Profiles the table at one path to another by Apache's sketches, and says what is in a profile.
BY_APACHE = """
import sys
from pathlib import Path
from tasks.analysis import apache_sketches
sys.modules["whylogs_sketching"] = apache_sketches
import polars as pl
from pydantic import TypeAdapter
from tasks.analysis import profile
from tasks.analysis.column_summary import ColumnSummary, summarise
table, written, read = map(Path, sys.argv[1:])
written.write_bytes(profile.to_bytes(profile.profile_table(pl.scan_parquet(table))))
found = summarise(profile.from_bytes(read.read_bytes()))
print(TypeAdapter(dict[str, ColumnSummary]).dump_json(found).decode())
"""

pytestmark = pytest.mark.skipif(
    sys.version_info >= (3, 13), reason="whylogs' own sketches have no wheel for this Python"
)
both_ways = pytest.mark.parametrize(
    ("write", "read"), [("own", "apache"), ("apache", "own")], ids=["to-apache", "from-apache"]
)


@pytest.fixture(scope="module")
def sketches() -> dict[str, ModuleType]:
    return {"own": __import__(NAME), "apache": apache_sketches}


@pytest.fixture(scope="module")
def numbers() -> Any:
    return np.random.default_rng(1).lognormal(size=200_000)


def count_distinct(sketches: ModuleType, values: Any) -> Any:
    sketch = sketches.hll_sketch(14)
    if isinstance(values, list):
        sketch.update_str_list(values)
    else:
        sketch.update_np(values)
    return sketch


def measure(sketches: ModuleType, values: Any) -> Any:
    sketch = sketches.kll_doubles_sketch(k=1024)
    sketch.update(values)
    return sketch


def count_levels(sketches: ModuleType, levels: int) -> Any:
    sketch = sketches.frequent_strings_sketch(lg_max_k=10)
    for number in range(levels):
        sketch.update(f"level {number} ü", 1 + 7919 * number % 1000)
    return sketch


def list_levels(sketches: ModuleType, sketch: Any) -> list[tuple[str, int, int, int]]:
    kind = sketches.frequent_items_error_type.NO_FALSE_NEGATIVES
    return sorted(sketch.get_frequent_items(kind))


@pytest.mark.parametrize("size", [0, 1, 5, 1000, 200_000])
@pytest.mark.parametrize(
    "make",
    [
        lambda size: np.arange(size, dtype=np.int64) - 1000,
        lambda size: np.linspace(-1, 1, size),
        lambda size: [f"wörd {number}" for number in range(size)],
    ],
    ids=["whole numbers", "numbers", "texts"],
)
def test_distinct_counts_are_the_same_bytes(
    sketches: dict[str, ModuleType], make: Callable[[int], Any], size: int
) -> None:
    own, apache = (count_distinct(each, make(size)) for each in sketches.values())
    assert apache.serialize_compact() == own.serialize_compact()
    assert apache.get_estimate() == own.get_estimate()


def test_values_that_are_hashed_apart_are_so_in_both(sketches: dict[str, ModuleType]) -> None:
    odd = np.array([0.0, -0.0, 1.0, np.inf, 5e-324])
    own, apache = (count_distinct(each, odd) for each in sketches.values())
    assert apache.serialize_compact() == own.serialize_compact()


@both_ways
def test_distinct_counts_are_read_and_merged_both_ways(
    sketches: dict[str, ModuleType], write: str, read: str
) -> None:
    halves = [np.arange(150_000), np.arange(100_000, 250_000)]
    merged = {}
    for name in (write, read):
        union = sketches[read].hll_union(14)
        for half in halves:
            data = count_distinct(sketches[name], half).serialize_compact()
            union.update(sketches[read].hll_sketch.deserialize(data))
        merged[name] = union.get_result(sketches[read].tgt_hll_type.HLL_4)
    assert merged[write].serialize_compact() == merged[read].serialize_compact()
    assert merged[write].get_estimate() == pytest.approx(250_000, rel=0.03)


@both_ways
@pytest.mark.parametrize("size", [0, 1, 500, 200_000])
def test_quantiles_are_read_both_ways(
    sketches: dict[str, ModuleType], numbers: Any, write: str, read: str, size: int
) -> None:
    written = measure(sketches[write], numbers[:size])
    found = sketches[read].kll_doubles_sketch.deserialize(written.serialize())
    assert found.get_n() == written.get_n() == size
    assert found.is_empty() == written.is_empty()
    assert found.serialize() == written.serialize()
    if size:
        ranks = [number / 200 for number in range(201)]
        cuts = [0.1, 0.5, 1.0, 2.0]
        assert found.get_quantiles(ranks) == written.get_quantiles(ranks)
        assert list(found.get_pmf(cuts, True)) == pytest.approx(written.get_pmf(cuts, True))
        assert found.get_min_value() == written.get_min_value() == numbers[:size].min()
        assert found.get_max_value() == written.get_max_value() == numbers[:size].max()


@both_ways
def test_quantiles_of_merged_parts_are_within_a_rank_error_of_one_percent(
    sketches: dict[str, ModuleType], numbers: Any, write: str, read: str
) -> None:
    parts = [measure(sketches[write], part).serialize() for part in np.split(numbers, 4)]
    first, *others = map(sketches[read].kll_doubles_sketch.deserialize, parts)
    merged = sketches[read].kll_doubles_sketch(first)
    for each in others:
        merged.merge(each)
    assert (first.get_n(), merged.get_n()) == (len(numbers) // 4, len(numbers))
    ranks = [number / 200 for number in range(201)]
    found = merged.get_quantiles(ranks)
    for rank, value in zip(ranks, found, strict=True):
        assert (numbers <= value).mean() == pytest.approx(rank, abs=0.01)
    again = sketches[write].kll_doubles_sketch.deserialize(merged.serialize())
    assert again.get_quantiles(ranks) == found


@pytest.mark.parametrize("levels", [0, 1, 700, 3000])
def test_frequent_levels_are_the_same_both_ways(
    sketches: dict[str, ModuleType], levels: int
) -> None:
    own, apache = sketches.values()
    ours, theirs = count_levels(own, levels), count_levels(apache, levels)
    assert list_levels(apache, theirs) == list_levels(own, ours)
    read, there = own.frequent_strings_sketch, apache.frequent_strings_sketch
    assert list_levels(own, read.deserialize(theirs.serialize())) == list_levels(own, ours)
    assert list_levels(apache, there.deserialize(ours.serialize())) == list_levels(own, ours)


def test_a_profile_of_the_same_rows_is_the_same_and_is_read_both_ways(tmp_path: Path) -> None:
    table, own, apache = tmp_path / "flights.parquet", tmp_path / "own", tmp_path / "apache"
    pl.scan_parquet(DATA / "flights-2013-01.parquet").collect().write_parquet(table)
    ours = profile.profile_table(pl.scan_parquet(table))
    own.write_bytes(profile.to_bytes(ours))
    run = [sys.executable, "-c", BY_APACHE, table, apache, own]
    said = json.loads(subprocess.check_output(run, text=True))
    found = {name: each.model_dump(mode="json") for name, each in summarise(ours).items()}
    assert said == found
    theirs = profile.from_bytes(apache.read_bytes())
    for name, column in summarise(theirs).items():
        told = column.model_dump(mode="json")
        told.pop("quantiles"), found[name].pop("quantiles")  # their errors are drawn at random
        assert told == found[name], name
    merged = summarise(profile.merge([ours, theirs]))
    assert {name: column.rows for name, column in merged.items()} == {
        name: 2 * column["rows"] for name, column in found.items()
    }


def test_whylogs_own_sketches_are_used_where_they_are() -> None:
    assert sys.modules[NAME] is not apache_sketches
