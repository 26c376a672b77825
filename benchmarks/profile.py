"""How fast and how lean `profile_table` is against whylogs itself, which takes a pandas frame.

Run `python -m benchmarks.profile [TABLE...]`. Every figure, from a Parquet file to a profile, comes
from a fresh interpreter; polars' `describe` stands beside them for scale and makes no profile. Half
of whylogs' time goes into the one column of times, which it takes value by value; ten million rows
would take it minutes.
"""

import re
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.measure import (
    LOCK,
    ROOT,
    Measurement,
    describe_machine,
    install_peers,
    measure,
    read_record,
    write_record,
)

FLIGHTS = str(ROOT / "data/nycflights13/flights-*.parquet")
WEATHER = str(ROOT / "data/nycflights13/weather.parquet")
PLANES = str(ROOT / "data/nycflights13/planes.parquet")
TABLES = {
    "tall": "1,000,000 rows x 20 columns",
    "wide": "336,776 rows x 38 columns",
    "long": "10,000,000 rows x 20 columns",
}
RUNS = 3
GOALS = {"time": 10.0, "peak memory": 0.5, "time of describe": 2.5}


def make_tall(path: str, rows: int = 1_000_000) -> Callable[[], object]:
    """Write the flights over and over, with the temperature, until there are so many rows."""
    import polars as pl

    flights, hour = pl.scan_parquet(FLIGHTS), ["origin", "time_hour"]
    weather = pl.scan_parquet(WEATHER).select(*hour, "temp")
    table = pl.concat([flights] * (rows // 336_776 + 1)).head(rows)
    return lambda: table.join(weather, on=hour, how="left").sink_parquet(path)


def make_long(path: str) -> Callable[[], object]:
    return make_tall(path, 10_000_000)


def make_wide(path: str) -> Callable[[], object]:
    """Write the flights once, with all that is known of the plane and the weather."""
    import polars as pl

    weather = pl.scan_parquet(WEATHER).drop("year", "month", "day", "hour")
    flights = pl.scan_parquet(FLIGHTS).join(weather, on=["origin", "time_hour"], how="left")
    table = flights.join(pl.scan_parquet(PLANES), on="tailnum", how="left", suffix="_built")
    return lambda: table.sink_parquet(path)


def run_perennial(path: str) -> Callable[[], object]:
    import sys

    # whylogs loads it where it is there: with the tests, but not in what Perennial installs.
    sys.modules["sklearn"] = None  # type: ignore[assignment]
    import polars as pl

    from tasks.profiles import profile_table

    return lambda: profile_table(pl.scan_parquet(path))


def run_whylogs(path: str) -> Callable[[], object]:
    import os

    os.environ["WHYLOGS_NO_ANALYTICS"] = "1"
    import pandas as pd  # type: ignore[import-not-found,import-untyped,unused-ignore]
    import whylogs as why

    return lambda: why.log(pandas=pd.read_parquet(path)).view()


def run_describe(path: str) -> Callable[[], object]:
    import polars as pl

    return lambda: pl.scan_parquet(path).describe()


def measure_table(table: str, folder: str, peers: str) -> dict[str, Measurement]:
    path = str(Path(folder, f"{table}.parquet"))
    measure(f"benchmarks.profile:make_{table}", path)
    runs = {
        name: measure(f"benchmarks.profile:run_{name}", path, runs=RUNS)
        for name in ("perennial", "describe")
    }
    if table != "long":
        runs["whylogs"] = measure("benchmarks.profile:run_whylogs", path, python=peers)
    return runs


def compare(runs: dict[str, Measurement]) -> dict[str, Any]:
    ours, peer = runs["perennial"], runs.get("whylogs")
    figures = {
        name: {
            "seconds": round(run.seconds, 3),
            "peak_mb": round(run.peak_mb),
            "peak_above_imports_mb": round(run.own_mb),
        }
        for name, run in runs.items()
    }
    ratios = {"time of describe": round(ours.seconds / runs["describe"].seconds, 2)}
    met = {"time of describe": ratios["time of describe"] <= GOALS["time of describe"]}
    if peer is not None:
        ratios |= {
            "time": round(peer.seconds / ours.seconds, 1),
            "peak memory": round(ours.peak_mb / peer.peak_mb, 2),
            "peak memory above imports": round(ours.own_mb / peer.own_mb, 2),
        }
        met |= {
            "time": ratios["time"] >= GOALS["time"],
            "peak memory": ratios["peak memory"] <= GOALS["peak memory"],
        }
    return {"runs": figures, "ratios": ratios, "met": met}


def write_table(title: str, compared: dict[str, Any]) -> str:
    lines = [f"profile, {title}", f"{'':12}{'seconds':>9}{'peak MB':>9}{'above imports':>15}"]
    for name, run in compared["runs"].items():
        seconds, peak, own = run.values()
        lines.append(f"{name:12}{seconds:>9.2f}{peak:>9}{own:>15}")
    ratios = compared["ratios"]
    goal = GOALS["time of describe"]
    lines.append(f"{ratios['time of describe']} of the time of describe (goal {goal:g})")
    if "time" in ratios:
        lines.append(
            f"{ratios['time']} times as fast as whylogs (goal {GOALS['time']:g}); "
            f"{ratios['peak memory']} of its memory (goal {GOALS['peak memory']:g}), "
            f"{ratios['peak memory above imports']} above imports"
        )
    return "\n".join(lines)


def main() -> str:
    """Measure, record beside what was recorded of others, print, and give what was printed."""
    named = sys.argv[1:] or list(TABLES)
    peers = install_peers() if named != ["long"] else ""
    with tempfile.TemporaryDirectory() as folder:
        tables = {TABLES[name]: compare(measure_table(name, folder, peers)) for name in named}
    text = "\n\n".join(write_table(title, compared) for title, compared in tables.items())
    print(text)
    locked = dict(re.findall(r"^(\S+)==(\S+)", LOCK.read_text(), re.MULTILINE))
    record = {
        "tables": read_record("profile").get("tables", {}) | tables,
        "goals": GOALS,
        "machine": describe_machine(),
        "versions": {name: version(name) for name in ("numpy", "polars", "whylogs")},
        "peer_versions": {name: locked[name] for name in ("numpy", "pandas", "pyarrow", "whylogs")},
    }
    write_record("profile", record)
    return text


if __name__ == "__main__":
    main()
