import json
import math
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tasks.analysis.profile import merge, profile_table
from tasks.analysis.profile_drift import ColumnDrift, measure_drift

DATA = Path(__file__).parents[3] / "data/nycflights13"


@pytest.fixture(scope="module")
def flights() -> pl.DataFrame:
    table = pl.scan_parquet(DATA / "flights-2013-*.parquet").collect()
    return table.sample(20_000, shuffle=True, seed=1)


def drift_of(old: Any, new: Any) -> ColumnDrift:
    frames = (pl.DataFrame({"x": pl.Series(values, strict=False)}) for values in (old, new))
    return drift_by_column(*frames)["x"]


def drift_by_column(old: pl.DataFrame, new: pl.DataFrame) -> dict[str, ColumnDrift]:
    drifts = measure_drift(profile_table(old.lazy()), profile_table(new.lazy()))
    return {drift.column: drift for drift in drifts}


def halves(table: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    return table[: len(table) // 2], table[len(table) // 2 :]


def psi(drift: ColumnDrift) -> float:
    assert drift.psi is not None
    return drift.psi


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


def test_merged_partitions_do_not_drift_from_the_whole(flights: pl.DataFrame) -> None:
    parts = [
        profile_table(flights[start : start + 1_000].lazy()) for start in range(0, 20_000, 1_000)
    ]
    for drift in measure_drift(profile_table(flights.lazy()), merge(parts)):
        assert drift.psi is not None
        assert drift.psi < 0.002


def test_columns_that_cannot_be_measured_and_empty_tables_never_give_nan() -> None:
    odd = {
        "all null": pl.Series([None] * 3, dtype=pl.Float64),
        "all nan": [math.nan] * 3,
        "infinite": [math.inf, -math.inf, math.inf],
        "huge": [1.7e308, -1.7e308, 1e308],
        "constant": [7, 7, 7],
        "list": [[1], None, [2]],
        "": [True, None, False],
    }
    for rows in (0, 1, 3):
        table = pl.DataFrame(odd).head(rows)
        for name, drift in drift_by_column(table, table).items():
            json.dumps(drift.model_dump(mode="json"), allow_nan=False)
            assert drift.psi == (0 if rows else None), name
