import json
import math
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tasks.analysis.column_facts import ProfileError
from tasks.analysis.column_summary import ColumnSummary, summarise
from tasks.analysis.profile import Profile, from_bytes, merge, profile_table, to_bytes

DATA = Path(__file__).parents[3] / "data/nycflights13"
NUMBERS = ["dep_time", "dep_delay", "arr_delay", "air_time", "distance", "month", "hour"]


@pytest.fixture(scope="module")
def flights() -> pl.DataFrame:
    table = pl.scan_parquet(DATA / "flights-2013-*.parquet").collect()
    return table.sample(20_000, shuffle=True, seed=1)


@pytest.fixture(scope="module")
def profile(flights: pl.DataFrame) -> Profile:
    return profile_table(flights.lazy())


def profile_values(values: Any, dtype: Any = None) -> Profile:
    return profile_table(pl.LazyFrame({"x": pl.Series(values, dtype=dtype, strict=False)}))


def summarise_values(values: Any, dtype: Any = None) -> ColumnSummary:
    return summarise(profile_values(values, dtype))["x"]


def test_counts_and_limits_are_those_of_polars(flights: pl.DataFrame, profile: Profile) -> None:
    for name, column in summarise(profile).items():
        series = flights[name]
        assert (column.rows, column.nulls) == (len(series), series.null_count())
        if name in NUMBERS:
            assert (column.min, column.max) == (series.min(), series.max())


@pytest.mark.parametrize("name", NUMBERS)
def test_moments_are_those_of_polars(flights: pl.DataFrame, profile: Profile, name: str) -> None:
    column, series = summarise(profile)[name], flights[name].cast(pl.Float64)
    assert column.mean == pytest.approx(series.mean(), rel=1e-12)
    assert column.std == pytest.approx(series.std(), rel=1e-12)


@pytest.mark.parametrize("name", NUMBERS)
def test_quantiles_are_within_a_rank_error_of_one_percent(
    flights: pl.DataFrame, profile: Profile, name: str
) -> None:
    series, quantiles = flights[name].drop_nulls(), summarise(profile)[name].quantiles
    assert quantiles is not None
    assert list(quantiles) == [5, 25, 50, 75, 95]
    for percent, value in quantiles.items():
        below, up_to = (series.filter(found).len() for found in (series < value, series <= value))
        assert below / len(series) - 0.01 <= percent / 100 <= up_to / len(series) + 0.01


def test_distinct_counts_are_within_three_percent(flights: pl.DataFrame, profile: Profile) -> None:
    for name, column in summarise(profile).items():
        assert column.distinct == pytest.approx(flights[name].drop_nulls().n_unique(), rel=0.03)


def test_many_distinct_values_are_estimated_within_three_percent() -> None:
    numbers = pl.int_range(100_000, eager=True)
    for values in (numbers, numbers / 7, numbers.cast(pl.String)):
        assert summarise_values(values).distinct == pytest.approx(100_000, rel=0.03)


def test_top_values_come_with_exact_counts_while_levels_are_few(
    flights: pl.DataFrame, profile: Profile
) -> None:
    top = summarise(profile)["dest"].top
    counted = dict(flights["dest"].value_counts().iter_rows())
    assert len(top) == 20
    assert [value.count for value in top] == sorted(counted.values(), reverse=True)[:20]
    assert all(counted[value.value] == value.count for value in top)


def test_a_frequent_number_shows_among_many_distinct_ones() -> None:
    column = summarise_values([-999.0] * 500 + [n / 7 for n in range(5_000)])
    assert column.top[0].model_dump() == {"value": "-999.0", "count": 500}


def test_null_nan_and_infinity_are_counted_apart() -> None:
    column = summarise_values([None, None, None, math.nan, math.nan, math.inf, -math.inf, 1.0, 3.0])
    assert (column.rows, column.nulls, column.nans, column.infinite) == (9, 3, 2, 2)
    assert (column.min, column.max, column.mean) == (1.0, 3.0, 2.0)


def test_whole_numbers_keep_their_last_digit() -> None:
    column = summarise_values([2**63 - 1, -(2**63), 0])
    assert (column.min, column.max) == (-(2**63), 2**63 - 1)
    assert json.loads(column.model_dump_json())["max"] == 2**63 - 1


def test_booleans_are_counted() -> None:
    column = summarise_values([True, True, False, None])
    assert (column.trues, column.falses, column.nulls) == (2, 1, 1)
    assert {value.value: value.count for value in column.top} == {"true": 2, "false": 1}


@pytest.mark.parametrize(
    ("values", "seconds"),
    [
        ([date(1960, 1, 1), date(2020, 1, 1)], [-315_619_200, 1_577_836_800]),
        ([datetime(2020, 1, 1, 0, 0, 0, 500_000, UTC)], [1_577_836_800.5]),
        ([timedelta(days=1), timedelta(milliseconds=3)], [0.003, 86_400]),
        ([time(1, 2, 3)], [3723]),
    ],
)
def test_times_are_measured_in_seconds(values: list[Any], seconds: list[float]) -> None:
    column = summarise_values(values)
    assert [column.min, column.max] == [seconds[0], seconds[-1]]


@pytest.mark.parametrize("dtype", [pl.String, pl.Categorical, pl.Enum(["", "b", "a"])])
def test_text_in_every_type_has_the_same_levels(dtype: Any) -> None:
    column = summarise_values(["a", "b", "a", "", None], dtype)
    assert (column.kind, column.distinct) == ("category", 3)
    assert [(top.value, top.count) for top in column.top] == [("a", 2), ("", 1), ("b", 1)]


def test_a_long_text_is_cut_in_the_top_values_but_told_apart() -> None:
    column = summarise_values(["x" * 1000 + "a", "x" * 1000 + "b"])
    assert column.distinct == 2
    assert [(len(top.value), top.count) for top in column.top] == [(128, 2)]


@pytest.mark.parametrize(
    "values",
    [
        pytest.param([[1], None, [2]], id="list"),
        pytest.param([{"a": 1}, None, {"a": 2}], id="struct"),
        pytest.param([b"\xff", None, b""], id="binary"),
        pytest.param([None, None], id="null"),
    ],
)
def test_a_column_that_cannot_be_measured_has_its_nulls_counted(values: list[Any]) -> None:
    column = summarise_values(values)
    assert (column.kind, column.nulls) == ("other", values.count(None))
    assert (column.distinct, column.mean, column.quantiles, column.top) == (None, None, None, ())


NASTY = {
    "all null": pl.Series([None] * 3, dtype=pl.Float64),
    "all nan": [math.nan] * 3,
    "infinite": [math.inf, -math.inf, math.inf],
    "huge": [sys.float_info.max, -sys.float_info.max, 1e308],
    "constant": [7, 7, 7],
    "one value": [1, None, None],
    "decimal": [Decimal("1.50"), None, Decimal("2.25")],
    "128 bits": pl.Series([2**100, None, 7], dtype=pl.Int128),
    "nul byte": ["a\0b", "\0", ""],
    "dots.and spaces": ["a", "b", None],
    "^.*$": [1, 2, 3],
    "*": [1.5, None, math.nan],
    "a$[0](é)🛫": ["é", "🛫", None],
    "": [True, None, False],
    "value": [date(1, 1, 1), None, date(9999, 12, 31)],
}


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_nasty_columns_survive_every_step(rows: int) -> None:
    profile = profile_table(pl.LazyFrame(NASTY).head(rows))
    merged = from_bytes(to_bytes(merge([profile, from_bytes(to_bytes(profile))])))
    columns = summarise(merged)
    assert list(columns) == list(NASTY)
    assert {column.rows for column in columns.values()} == {2 * rows}
    json.dumps([column.model_dump(mode="json") for column in columns.values()], allow_nan=False)


def test_first_columns_of_a_process_do_not_wait_for_each_other_when_imports_are_slow() -> None:
    """Both threads reach the sketches' first array while the import that it needs goes on."""
    code = """
import sys, time

class Slow:
    def find_spec(self, name, path=None, target=None):
        time.sleep(0.3 if name == "numpy.core.multiarray" else 0)

sys.meta_path.insert(0, Slow())
import polars as pl
from tasks.analysis.profile import profile_table
profile_table(pl.LazyFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]}))
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_profile_comes_back_from_bytes(profile: Profile) -> None:
    assert summarise(from_bytes(to_bytes(profile))) == summarise(profile)


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "something else": lambda data: b"PAR1" + data,
    "cut in its head": lambda data: data[:50],
    "cut short": lambda data: data[:-1],
    "a flipped bit": lambda data: data[:-100] + bytes([data[-100] ^ 1]) + data[-99:],
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damaged_bytes_are_refused_in_one_line(
    profile: Profile, damage: Callable[[bytes], bytes]
) -> None:
    with pytest.raises(ProfileError, match=r"^[^\n]+$"):
        from_bytes(damage(to_bytes(profile)))


def test_merged_partitions_agree_with_the_whole(flights: pl.DataFrame, profile: Profile) -> None:
    parts = [
        profile_table(flights[start : start + 1_000].lazy()) for start in range(0, 20_000, 1_000)
    ]
    whole, merged = summarise(profile), summarise(merge(parts))
    sketched = {"distinct", "mean", "std", "quantiles", "top"}
    for name, column in merged.items():
        exact = whole[name]
        assert column.model_dump(exclude=sketched) == exact.model_dump(exclude=sketched)
        assert column.distinct == pytest.approx(exact.distinct, rel=0.03)
        if exact.kind == "number":
            assert column.mean == pytest.approx(exact.mean, rel=1e-12)
            assert column.std == pytest.approx(exact.std, rel=1e-12)
    assert merged["carrier"].top == whole["carrier"].top


def test_a_column_that_changed_its_type_is_not_merged() -> None:
    with pytest.raises(ProfileError, match="'x' is Int64 in one profile and String in another"):
        merge([profile_values([1]), profile_values(["1"])])


def test_a_column_without_values_merges_with_any_type() -> None:
    for parts in ([[None], [1]], [[1], [None]]):
        facts = merge([profile_values(part) for part in parts]).columns["x"].facts
        assert (facts.dtype, facts.kind, facts.rows, facts.nulls) == ("Int64", "number", 2, 1)


def test_nothing_cannot_be_merged() -> None:
    with pytest.raises(ProfileError):
        merge([])


def test_importing_loads_neither_prefect_nor_s3fs_and_reports_to_nobody() -> None:
    code = (
        "import os, sys, tasks.analysis.profile;"
        "assert not {'prefect', 's3fs'} & sys.modules.keys();"
        "assert os.environ['WHYLOGS_NO_ANALYTICS']"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=DATA.parents[1])


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="Apache's sketches import no part of NumPy")
def test_sketches_have_met_numpy_before_threads_ask_them() -> None:
    code = "import sys, tasks.analysis.profile; print('numpy.core.multiarray' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "True"
