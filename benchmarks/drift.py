"""What it costs to hold a table against another, beside whylogs and Evidently.

Run `python -m benchmarks.drift [ROWS...]`. Both tables have so many rows of 20 columns; both are
read from Parquet and profiled anew, though Perennial keeps the reference's profile. whylogs
profiles pandas frames and gives its drift scores; Evidently makes its drift report of the same.
"""

import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.measure import Measurement, hide_scikit_learn, install_peers, measure
from benchmarks.profile import list_versions, prepare_evidently
from benchmarks.study import Goal, Study, measure_everyone


def run_perennial(before: str, now: str) -> Callable[[], object]:
    hide_scikit_learn()
    import polars as pl

    from tasks.analysis.profile import profile_table
    from tasks.analysis.profile_drift import measure_drift

    return lambda: measure_drift(*(profile_table(pl.scan_parquet(path)) for path in (before, now)))


def run_whylogs(before: str, now: str) -> Callable[[], object]:
    import os

    os.environ["WHYLOGS_NO_ANALYTICS"] = "1"
    import pandas as pd  # type: ignore[import-not-found,import-untyped,unused-ignore]
    import whylogs as why
    from whylogs.viz.drift.column_drift_algorithms import calculate_drift_scores

    def work() -> None:
        reference, target = (why.log(pandas=pd.read_parquet(path)).view() for path in (before, now))
        calculate_drift_scores(target, reference, with_thresholds=True)

    return work


def run_evidently(before: str, now: str) -> Callable[[], object]:
    read = prepare_evidently()
    from evidently import Report  # type: ignore[import-not-found,unused-ignore]
    from evidently.presets import DataDriftPreset  # type: ignore[import-not-found,unused-ignore]

    return lambda: Report([DataDriftPreset()]).run(read(now), read(before)).dict()


def compare(rows: int, folder: Path) -> dict[str, Measurement]:
    """Measure everyone side by side on two tables of so many rows."""
    tables = [str(folder / f"{side}.parquet") for side in ("old", "new")]
    for path in tables:
        measure("benchmarks.profile:make_table", path, str(rows))
    peers = install_peers()
    return measure_everyone(STUDY, rows, peers, ("perennial",), *tables)


STUDY = Study(
    name="drift",
    title="From two Parquet files of 20 columns to what has moved, beside whylogs and Evidently on "
    "pandas.",
    compare=compare,
    versions=list_versions,
    ours=("perennial",),
    peers=("whylogs", "evidently"),
    goals=(Goal("perennial", "whylogs", 0.1),),
    limits={"whylogs": 1_000_000, "evidently": 3_000_000},
)

if __name__ == "__main__":
    STUDY.run(sys.argv[1:])
