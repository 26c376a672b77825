"""How often alarms ring without a fault, and how many faults ring in their first window.

Run `python -m benchmarks.alarms`. For champions as of April, July and October, made by the steps of
a retrain: 200 quarters are resampled from the history that the champion learned from, by another
seed than its calibration's, and 200 from what came after. Then windows of 10,000 later flights are
broken in every way below, with the flights of four windows before them as they were.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.measure import ROOT, describe_machine, write_record

AS_OF = [datetime(2013, month, 1, tzinfo=UTC) for month in (4, 7, 10)]
END = datetime(2014, 1, 1, tzinfo=UTC)
ROWS, BEFORE, STARTS, SEED = 10_000, 26_000, 10, 99
GOALS = {"false alarms a quarter": 1.0, "faults that ring": 0.95}

Frame = pl.DataFrame
Fault = Callable[[Frame], Frame]


def list_faults() -> Iterator[tuple[str, str, Fault]]:
    """Give each fault's family, its name, and what it does to a window."""
    for column, factor in (
        ("distance", 1.609),
        ("visib", 1.609),
        ("wind_speed", 1.609),
        ("wind_speed", 0.447),
        ("precip", 25.4),
        ("pressure", 0.02953),
        ("humid", 0.01),
    ):
        yield "unit", f"{column} × {factor}", _with(pl.col(column) * factor)
    for column in ("distance", "temp", "dewp", "humid", "wind_speed", "pressure", "visib", "seats"):
        yield "unit", f"{column} × 100", _with(pl.col(column) * 100)
    for column in ("temp", "dewp"):
        yield "unit", f"{column} in °C", _with((pl.col(column) - 32) / 1.8)
    for share in (0.05, 0.1, 0.5, 1.0):
        yield "fan-out", f"{share:.0%} of rows twice", _repeat(share)
    for column in ("temp", "seats", "carrier", "dest", "pressure", "visib", "distance"):
        for share in (0.3, 0.6, 1.0):
            yield "null flood", f"{share:.0%} of {column}", _with(_thin(column, share))
    for hours in (2, 3, 5, 6, 12, -4):
        moved = pl.col("time_hour") + pl.duration(hours=hours)
        yield "clock", f"{hours:+d} hours", _with(moved)
    for column, level in (
        ("carrier", "UA"),
        ("carrier", "AA"),
        ("origin", "JFK"),
        ("dest", "ATL"),
        ("dest", "LAX"),
        ("manufacturer", "BOEING"),
    ):
        renamed = pl.col(column).replace(level, f"{level} (new)")
        yield "renamed", f"{column} {level}", _with(renamed)


def measure_champion(as_of: datetime, folder: Path) -> dict[str, Any]:
    """Make a champion, and count what rings with and without faults."""
    from bentos.model import load_folder
    from flows.retrain import make_candidate, plan_retrain
    from tasks.backtest.replay import read_history
    from tasks.core.columns import PREDICTION
    from tasks.monitoring.reference import recall_reference
    from tasks.storage.store import open_store, work_folder
    from tasks.training.published_model import as_column, load

    store = open_store(str(folder))
    plan = plan_retrain("flight-delay", as_of).model_copy(update={"root": store.root})
    with work_folder(store) as work:
        published = make_candidate(plan, store, work, lambda candidate: {})
        calibration = recall_reference(load(store, published), work).calibration()
    assert calibration is not None
    model = load_folder(folder / published.path)
    every, _ = read_history(plan_retrain("flight-delay", END), END)
    predicted = as_column(model.predictor.predict(model.encode_frame(every)))
    rows = every.drop("perennial.target").with_columns(predicted.alias(PREDICTION))
    return {
        "quarters": count_false(plan, calibration, rows, as_of),
        **count_found(plan, calibration, rows, as_of),
    }


def count_false(plan: Any, calibration: Any, rows: Frame, as_of: datetime) -> dict[str, Any]:
    """Count the alarms of an average quarter without a fault, by kind."""
    from tasks.core.columns import TIME

    lead = timedelta(days=35)
    parts = {
        "its own history": rows.filter(pl.col(TIME) <= as_of),
        "what came after": rows.filter(pl.col(TIME) > as_of - lead),
    }
    return {
        name: _count_quarters(plan, calibration, part, own=name == "its own history")
        for name, part in parts.items()
    }


def _count_quarters(plan: Any, calibration: Any, rows: Frame, own: bool) -> dict[str, float]:
    from tasks.alarms.distances import measure_newness
    from tasks.alarms.histograms import RECENT, count_chunks, count_history, watch_columns
    from tasks.alarms.thresholds import (
        count_alarms,
        draw_paths,
        measure_newness_within,
        resample_signs,
    )

    watched, day, window = watch_columns(plan.definition, plan.features, rows), timedelta(1), 7
    gauges = calibration.gauges
    learned = {name: np.array(counts) for name, counts in calibration.learned.items()}
    if own:
        days = count_history(gauges, watched, day, window)
        newness = measure_newness_within(gauges, days, window)
    else:
        days = count_chunks(gauges, watched, day)
        newness = np.zeros(len(days))
        for gauge in gauges:
            sums = np.cumsum(days.columns[gauge.column], axis=0)
            now = sums - np.concatenate([np.zeros_like(sums[:window]), sums[:-window]])
            newness += gauge.weight * measure_newness(gauge, learned[gauge.column], now)
    paths = draw_paths(len(days), window, 91, SEED)
    most = {(each.column, each.sign): each.most for each in calibration.limits}
    whole = days.total()
    whole.columns.update({name: learned[name][None] for name in whole.columns})
    signs = resample_signs(gauges, days, whole, paths, window)
    broken = np.any([found > most[key] for key, found in signs], axis=0)
    moved = newness[paths[:, (RECENT + 1) * window - 1 :]] > calibration.newness
    return {
        "data-broken": round(count_alarms(broken, window), 3),
        "distribution-moved": round(count_alarms(moved, window), 3),
    }


def count_found(plan: Any, calibration: Any, rows: Frame, as_of: datetime) -> dict[str, Any]:
    """Break windows of later flights, and count how many faults ring at once."""
    from tasks.alarms.drift_decision import count_rows, judge
    from tasks.core.columns import TIME

    def rings(before: Any, window: Frame) -> bool:
        counted = count_rows(calibration, plan.definition, plan.features, window)
        alarms = judge(calibration, before, counted)
        return any(each.kind == "data-broken" for each in alarms)

    later = rows.filter(pl.col(TIME) > as_of)
    starts = np.linspace(BEFORE, len(later) - ROWS - 1, STARTS).astype(int)
    found: dict[str, dict[str, list[bool]]] = {}
    clean = []
    for start in starts:
        earlier = later.slice(int(start) - BEFORE, BEFORE)
        before = count_rows(calibration, plan.definition, plan.features, earlier)
        window = later.slice(int(start), ROWS)
        clean.append(rings(before, window))
        for family, name, fault in list_faults():
            rung = rings(before, fault(window))
            found.setdefault(family, {}).setdefault(name, []).append(rung)
    every = [rung for faults in found.values() for each in faults.values() for rung in each]
    return {
        "windows without a fault that ring": f"{sum(clean)} of {len(clean)}",
        "faults that ring": round(float(np.mean(every)), 4),
        "by family": {
            family: round(float(np.mean([rung for each in faults.values() for rung in each])), 4)
            for family, faults in found.items()
        },
        "missed": {
            f"{family}: {name}": f"{len(rung) - sum(rung)} of {len(rung)}"
            for family, faults in found.items()
            for name, rung in faults.items()
            if not all(rung)
        },
    }


def _with(expression: pl.Expr) -> Fault:
    return lambda rows: rows.with_columns(expression)


def _repeat(share: float) -> Fault:
    return lambda rows: pl.concat([rows, rows.sample(fraction=share, seed=SEED)])


def _thin(column: str, share: float) -> pl.Expr:
    kept = pl.Series(np.random.default_rng(SEED).random(ROWS) >= share)
    return pl.when(kept).then(pl.col(column)).alias(column)


def write_table(title: str, found: dict[str, Any]) -> str:
    lines = [f"alarms, {title}"]
    for name, rates in found["quarters"].items():
        told = ", ".join(f"{rate:.2f} {kind}" for kind, rate in rates.items())
        lines.append(f"alarms in an average quarter resampled from {name}: {told}")
    lines.append(
        f"windows without a fault that ring as broken: {found['windows without a fault that ring']}"
    )
    families = ", ".join(f"{family} {share:.1%}" for family, share in found["by family"].items())
    lines.append(f"faults that ring in their first window: {found['faults that ring']:.1%}")
    lines.append(f"  {families}")
    missed = ", ".join(f"{name} ({count})" for name, count in found["missed"].items())
    lines.append(f"  missed: {missed or 'none'}")
    return "\n".join(lines)


def main() -> str:
    """Measure, record, print, and give what was printed."""
    os.chdir(ROOT)
    tables = {}
    for as_of in AS_OF:
        with tempfile.TemporaryDirectory() as folder:
            title = f"champion as of {as_of:%Y-%m-%d}"
            tables[title] = measure_champion(as_of, Path(folder))
    text = "\n\n".join(write_table(title, found) for title, found in tables.items())
    print(text)
    write_record("alarms", {"tables": tables, "goals": GOALS, "machine": describe_machine()})
    return text


if __name__ == "__main__":
    main()
