"""What a profile of a table costs, beside whylogs itself, Evidently, and polars' `describe`.

Run `python -m benchmarks.profile [ROWS...]`. Every figure, from a Parquet file of 20 columns to a
profile, comes from a fresh interpreter. whylogs and Evidently take a pandas frame; half of whylogs'
time goes into the one column of times, which it takes value by value. `describe` makes no profile.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.measure import (
    LOCK,
    ROOT,
    Measurement,
    hide_scikit_learn,
    install_peers,
    measure,
    read_versions,
)
from benchmarks.study import Goal, Study, measure_everyone

FLIGHTS = str(ROOT / "data/nycflights13/flights-*.parquet")
WEATHER = str(ROOT / "data/nycflights13/weather.parquet")


def make_table(path: str, rows: str) -> Callable[[], object]:
    """Write the flights over and over, with the temperature, cut at so many rows."""
    import polars as pl

    flights, hour = pl.scan_parquet(FLIGHTS), ["origin", "time_hour"]
    weather = pl.scan_parquet(WEATHER).select(*hour, "temp")
    copies = -(-int(rows) // flights.select(pl.len()).collect().item())
    table = pl.concat([flights] * copies).head(int(rows)).join(weather, on=hour, how="left")
    return lambda: table.sink_parquet(path)


def run_perennial(path: str) -> Callable[[], object]:
    hide_scikit_learn()
    import polars as pl

    from tasks.analysis.profile import profile_table

    return lambda: profile_table(pl.scan_parquet(path))


def run_describe(path: str) -> Callable[[], object]:
    import polars as pl

    return lambda: pl.scan_parquet(path).describe()


def run_whylogs(path: str) -> Callable[[], object]:
    import os

    os.environ["WHYLOGS_NO_ANALYTICS"] = "1"
    import pandas as pd  # type: ignore[import-not-found,import-untyped,unused-ignore]
    import whylogs as why

    return lambda: why.log(pandas=pd.read_parquet(path)).view()


def run_evidently(path: str) -> Callable[[], object]:
    """Prepare Evidently's summary of a table."""
    read = prepare_evidently()
    from evidently import Report  # type: ignore[import-not-found,unused-ignore]
    from evidently.presets import DataSummaryPreset  # type: ignore[import-not-found,unused-ignore]

    return lambda: Report([DataSummaryPreset()]).run(read(path), None).dict()


def prepare_evidently() -> Callable[[str], Any]:
    """Quiet Evidently, and give what reads a table for it; small integers are unknown to it."""
    import os
    import warnings

    os.environ |= {"DO_NOT_TRACK": "1", "ITERATIVE_DO_NOT_TRACK": "1"}
    warnings.simplefilter("ignore")
    import pandas as pd  # type: ignore[import-not-found,import-untyped,unused-ignore]

    def read(path: str) -> Any:
        table = pd.read_parquet(path)
        return table.astype(dict.fromkeys(table.select_dtypes("integer").columns, "int64"))

    return read


def compare(rows: int, folder: Path) -> dict[str, Measurement]:
    """Measure everyone side by side on a table of so many rows."""
    path, peers = str(folder / "table.parquet"), install_peers()
    measure("benchmarks.profile:make_table", path, str(rows))
    return measure_everyone(STUDY, rows, peers, ("perennial", "describe"), path)


def list_versions() -> dict[str, str]:
    peers = read_versions("evidently", "pandas", lock=LOCK)
    return read_versions("polars", "whylogs") | peers


STUDY = Study(
    name="profile",
    title="From a Parquet file of 20 columns to a profile, beside polars' describe, whylogs and "
    "Evidently on pandas.",
    compare=compare,
    versions=list_versions,
    ours=("perennial",),
    peers=("describe", "whylogs", "evidently"),
    goals=(
        Goal("perennial", "describe", 2.5, rows=10_000_000),
        Goal("perennial", "whylogs", 0.1),
        Goal("perennial", "whylogs", 0.5, of="peak_mb"),
    ),
    limits={"whylogs": 3_000_000, "evidently": 3_000_000},
)

if __name__ == "__main__":
    STUDY.run(sys.argv[1:])
