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

from tasks.profiles import (
    ColumnDrift,
    ColumnSummary,
    Profile,
    ProfileError,
    from_bytes,
    measure_drift,
    merge,
    profile_table,
    summarise,
    to_bytes,
)

DATA = Path(__file__).parents[2] / "data/nycflights13"
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


def drift_of(old: Any, new: Any) -> ColumnDrift:
    return measure_drift(profile_values(old), profile_values(new))[0]


def halves(table: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    return table[: len(table) // 2], table[len(table) // 2 :]


def drift_by_column(old: pl.DataFrame, new: pl.DataFrame) -> dict[str, ColumnDrift]:
    drifts = measure_drift(profile_table(old.lazy()), profile_table(new.lazy()))
    return {drift.column: drift for drift in drifts}


def psi(drift: ColumnDrift) -> float:
    assert drift.psi is not None
    return drift.psi


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
    for drift in measure_drift(profile, merged):
        assert drift.psi == (pytest.approx(0, abs=0.3) if rows else None)


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
    assert all(drift.psi < 0.002 for drift in measure_drift(profile, merge(parts)) if drift.psi)


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


def test_random_halves_do_not_drift(flights: pl.DataFrame) -> None:
    for drift in drift_by_column(*halves(flights)).values():
        assert psi(drift) < 0.02, drift
        assert drift.hellinger == pytest.approx(0, abs=0.05), drift


def test_noise_tells_what_random_halves_show(flights: pl.DataFrame) -> None:
    for rows in (500, 5_000, 20_000):
        drifts = drift_by_column(*halves(flights[:rows])).values()
        shown = [drift.psi / drift.noise for drift in drifts if drift.psi and drift.noise]
        assert 0.5 < sum(shown) / len(shown) < 2


def test_a_change_of_unit_drifts(flights: pl.DataFrame) -> None:
    old, new = halves(flights)
    drift = drift_by_column(old, new.with_columns(pl.col("distance").cast(pl.Int32) * 100))
    assert psi(drift["distance"]) > 5
    assert drift["distance"].hellinger == pytest.approx(1, abs=0.1)


def test_a_shift_of_a_fifth_of_a_deviation_stands_above_the_noise(flights: pl.DataFrame) -> None:
    old, new = halves(flights.with_columns(pl.col("dep_time").cast(pl.Float64)))
    shifted = new.with_columns(pl.col("dep_time") + 0.2 * pl.col("dep_time").std())
    drift = drift_by_column(old, shifted)["dep_time"]
    assert psi(drift) > 10 * (drift.noise or 1)


def test_a_renamed_category_drifts_and_is_unseen(flights: pl.DataFrame) -> None:
    old, new = halves(flights)
    united = (new["carrier"] == "UA").mean()
    drift = drift_by_column(old, new.with_columns(pl.col("carrier").replace("UA", "United")))
    assert psi(drift["carrier"]) > 1
    assert drift["carrier"].unseen == pytest.approx(united)
    assert drift["dest"].unseen == pytest.approx(0, abs=0.002)


def test_a_flood_of_nulls_drifts(flights: pl.DataFrame) -> None:
    old, new = halves(flights)
    emptied = pl.when(pl.int_range(pl.len()) % 2 == 0).then(pl.col("air_time", "carrier"))
    drift = drift_by_column(old, new.with_columns(emptied))
    for name in ("air_time", "carrier"):
        assert drift[name].reference_nulls == old[name].null_count() / len(old)
        assert drift[name].current_nulls == pytest.approx(0.5, abs=0.02)
        assert psi(drift[name]) > 0.5


def test_ten_thousand_levels_do_not_drift_by_chance_but_a_new_one_does() -> None:
    levels = pl.DataFrame({"x": [f"level {n * 7919 % 10_007}" for n in range(40_000)]})
    old, new = halves(levels.sample(fraction=1, shuffle=True, seed=1))
    assert drift_by_column(old, new)["x"].model_dump(include={"psi", "unseen"}) == {
        "psi": pytest.approx(0, abs=0.01),
        "unseen": 0,
    }
    flooded = new.with_columns(
        pl.when(pl.int_range(pl.len()) % 10 > 0).then("x").otherwise(pl.lit("new"))
    )
    drift = drift_by_column(old, flooded)["x"]
    assert psi(drift) > 0.2
    assert drift.unseen == pytest.approx(0.1, abs=0.01)


def test_a_column_of_few_values_cannot_move_unseen() -> None:
    engines = [2] * 900 + [1] * 50 + [3] * 50
    for moved in ([1] * 1000, [3] * 1000, [0] * 1000, [2.5] * 1000):
        assert psi(drift_of(engines, moved)) > 2


def test_a_constant_column_drifts_only_when_the_constant_changes() -> None:
    assert drift_of([5] * 1000, [5] * 500).psi == 0
    for other in (4, 6, 5.5, None, math.nan, math.inf):
        assert psi(drift_of([5.0] * 1000, pl.Series([other] * 500, dtype=pl.Float64))) > 5


def test_an_emptied_column_and_a_filled_one_drift() -> None:
    empty, full = pl.Series([None] * 1000, dtype=pl.String), pl.Series(["a", "b"] * 500)
    assert drift_of(empty, empty).psi == 0
    assert psi(drift_of(empty, full)) > 5
    assert psi(drift_of(full, empty)) > 5


def test_infinity_and_nan_are_bins_of_their_own() -> None:
    numbers = [float(n) for n in range(1000)]
    for odd in (math.inf, math.nan):
        assert psi(drift_of(numbers, numbers[:900] + [odd] * 100)) > 0.2


def test_columns_on_one_side_and_retyped_ones_are_named() -> None:
    old = pl.DataFrame({"gone": [1], "retyped": [1], "widened": [1], "kept": [1]})
    new = pl.DataFrame({"kept": [1], "widened": [1.0], "retyped": ["1"], "more": [1]})
    drifts = drift_by_column(old, new)
    assert {name: drift.change for name, drift in drifts.items()} == {
        "gone": "removed",
        "retyped": "retyped",
        "widened": "retyped",
        "kept": "none",
        "more": "added",
    }
    assert (drifts["retyped"].reference_dtype, drifts["retyped"].current_dtype) == (
        "Int64",
        "String",
    )
    assert drifts["retyped"].psi is None
    assert drifts["widened"].psi is not None


def test_importing_loads_neither_prefect_nor_s3fs_and_reports_to_nobody() -> None:
    code = (
        "import os, sys, tasks.profiles;"
        "assert not {'prefect', 's3fs'} & sys.modules.keys();"
        "assert os.environ['WHYLOGS_NO_ANALYTICS']"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=DATA.parents[1])
