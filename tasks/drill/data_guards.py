"""The drill of the data guards: the newest rows spoiled in each way, on copies.

Responsible for asking the data contract and the drift alarms, in the order in which a real run
would meet them. Both are the real ones; the root is not touched.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import cast

import polars as pl

from tasks.alarms.calibration import Calibration
from tasks.alarms.drift_decision import count_rows, judge
from tasks.alarms.thresholds import calibrate
from tasks.analysis.data_contract import check_contract
from tasks.analysis.profile import profile_table
from tasks.core.checks import failed
from tasks.core.columns import PREDICTION, TIME
from tasks.core.definition import Definition
from tasks.core.timestamps import UTC_TIME
from tasks.drill.faults import DATA_FAULTS
from tasks.drill.testbed import CLEAN, Drilled, Testbed
from tasks.extraction.snapshot import open_snapshot
from tasks.sources.query import event_time
from tasks.training.published_model import as_column

_MONTHS, _LEAST_SPAN = 12, timedelta(days=60)


def drill_data(testbed: Testbed, folder: Path) -> Iterator[Drilled]:
    """Spoil the newest window, once in each way, and ask the data contract and the alarms."""
    rows, plan = add_time(testbed, testbed.snapshot.scan().collect()), testbed.plan
    edge = find_edge(plan.definition, rows[TIME])
    newest = pl.lit(False) if edge is None else (pl.col(TIME) > edge).fill_null(False)
    history, window = rows.filter(~newest), rows.filter(newest)
    calibration = None
    if edge is None:  # without a time nothing is the newest: the last rows are
        history, window = rows[: len(rows) * 4 // 5], rows[len(rows) * 4 // 5 :]
    else:
        known = add_predictions(testbed, history.drop_nulls(TIME))
        calibration = calibrate(
            plan.definition, plan.features, testbed.model.read_importance(), known
        )
    yield ask_data_guards(testbed, CLEAN, history, window, calibration, folder)
    for fault in DATA_FAULTS:
        spoiled = fault.strike(window.drop(TIME), testbed.columns)
        if spoiled is not None:
            timed = add_time(testbed, spoiled)
            yield ask_data_guards(testbed, fault.name, history, timed, calibration, folder)
    if (lost := lose_partition(rows)) is not None:
        yield ask_data_guards(testbed, "missing partition", lost, lost[:0], None, folder)


def find_edge(definition: Definition, times: pl.Series) -> datetime | None:
    """Tell where the newest window begins: it is long enough, and has enough rows."""
    known = times.drop_nulls().sort()
    if known.is_empty():
        return None
    place = -min(definition.monitoring.rows, len(known) // 2) - 1
    enough, newest = cast(tuple[datetime, datetime], (known[place], known[-1]))
    return min(newest - definition.monitoring.window, enough)


def add_time(testbed: Testbed, rows: pl.DataFrame) -> pl.DataFrame:
    """Add each row's event time, as training reads it."""
    time = event_time(testbed.plan.definition, rows.schema)
    return rows.with_columns((pl.lit(None, UTC_TIME) if time is None else time).alias(TIME))


def add_predictions(testbed: Testbed, rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(as_column(testbed.model.predict(rows)).alias(PREDICTION))


def lose_partition(rows: pl.DataFrame) -> pl.DataFrame | None:
    """Lose what a monthly file would hold; None where the history is too short to tell."""
    first, last = cast(tuple[datetime | None, ...], (rows[TIME].min(), rows[TIME].max()))
    if first is None or last is None or last - first < _LEAST_SPAN:
        return None
    middle = first + (last - first) / 2
    return rows.filter(~pl.col(TIME).is_between(middle, middle + (last - first) / _MONTHS))


def ask_data_guards(
    testbed: Testbed,
    fault: str,
    history: pl.DataFrame,
    window: pl.DataFrame,
    calibration: Calibration | None,
    folder: Path,
) -> Drilled:
    """Ask the contract, then the alarms, as a run and the monitor would."""
    rows = pl.concat([history, window], how="vertical_relaxed")  # a new level is text again
    broken = ask_contract(testbed, rows.drop(TIME), folder)
    if broken or calibration is None:
        return Drilled(fault=fault, guard="data contract" if broken else "", detail=broken)
    timed = add_predictions(testbed, window.drop_nulls(TIME))
    counted = count_rows(calibration, testbed.plan.definition, testbed.plan.features, timed)
    alarms = [each for each in judge(calibration, None, counted) if each.kind == "data-broken"]
    if not alarms:
        return Drilled(fault=fault, guard="", detail="")
    return Drilled(fault=fault, guard="alarm", detail=f"{alarms[0].kind}: {alarms[0].detail}")


def ask_contract(testbed: Testbed, rows: pl.DataFrame, folder: Path) -> str:
    """Hold rows to the data contract; give the first breach."""
    part = folder / "spoiled.parquet"
    order = [name for name in (testbed.columns.time, *testbed.columns.key) if name]
    (rows.sort(order, nulls_last=True) if order else rows).write_parquet(part)
    snapshot = open_snapshot(testbed.plan, (part,))
    profile = profile_table(snapshot.scan())
    broken = failed(check_contract(testbed.plan, snapshot, profile, testbed.table))
    return f"{broken[0].name}: {broken[0].detail}" if broken else ""
