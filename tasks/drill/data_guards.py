"""Drilling: faults made on copies of a version's own data, and which guard catches each.

Owns which guards are asked of data and candidates, in the order in which a real run would meet
them. Every guard is the real one. Refuses to touch the root: what is spoilt is a copy.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import cast

import numpy as np
import polars as pl

from tasks.alarms.drift_decision import Calibration, count_rows, judge
from tasks.alarms.thresholds import calibrate
from tasks.analysis.data_contract import check_contract
from tasks.analysis.profile import profile_table
from tasks.core.checks import failed
from tasks.core.columns import PREDICTION, ROLE, TARGET, TIME
from tasks.core.definition import Definition
from tasks.core.timestamps import MOMENT
from tasks.drill.faults import CANDIDATE_FAULTS, DATA_FAULTS
from tasks.drill.testbed import CLEAN, Drilled, Testbed, as_snapshot, make_folder
from tasks.evaluation.evaluate import evaluate_models
from tasks.evaluation.metrics import Array
from tasks.extraction.run_plan import Plan
from tasks.extraction.snapshot import Snapshot
from tasks.features.transform import compile_features
from tasks.preparation.split import Prepared, SplitRole, prepare_rows
from tasks.sources.query import event_time
from tasks.training.published_model import as_column
from tasks.training.train import train_models
from tasks.validation.champion_predictions import ChampionPredictions
from tasks.validation.gate import judge as judge_candidate

_MONTHS, _LEAST_SPAN = 12, timedelta(days=60)


def drill_data(testbed: Testbed, folder: Path) -> Iterator[Drilled]:
    """Spoil the newest window, once in each way, and ask the data contract and the alarms."""
    rows, plan = label_time(testbed), testbed.plan
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
        spoilt = fault.strike(window.drop(TIME), testbed.columns)
        if spoilt is not None:
            timed = add_time(testbed, spoilt)
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


def label_time(testbed: Testbed) -> pl.DataFrame:
    return add_time(testbed, testbed.snapshot.scan().collect())


def add_time(testbed: Testbed, rows: pl.DataFrame) -> pl.DataFrame:
    """Add each row's event time, as training reads it."""
    time = event_time(testbed.plan.definition, rows.schema)
    return rows.with_columns((pl.lit(None, MOMENT) if time is None else time).alias(TIME))


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
    part = folder / "spoilt.parquet"
    order = [name for name in (testbed.columns.time, *testbed.columns.key) if name]
    (rows.sort(order, nulls_last=True) if order else rows).write_parquet(part)
    snapshot = as_snapshot(testbed.plan, (part,))
    profile = profile_table(snapshot.scan())
    broken = failed(check_contract(testbed.plan, snapshot, profile, testbed.table))
    return f"{broken[0].name}: {broken[0].detail}" if broken else ""


def drill_candidates(testbed: Testbed, folder: Path) -> Iterator[Drilled]:
    """Spoil a candidate's predictions and its labels, and ask the gate, with itself as champion."""
    plan = with_rounds(testbed)
    prepared = prepare_rows(plan, testbed.snapshot, make_folder(folder, "sound"))
    scored = score(plan, testbed.snapshot, prepared, folder / "sound")
    inside = np.ones(len(scored), dtype=bool)
    opponent = ChampionPredictions(
        version=testbed.published.version, inside=inside, predicted=scored["predicted"].to_numpy()
    )
    yield ask_gate(plan, CLEAN, scored, opponent)
    slices = [name for name in scored.columns if name.startswith("slice:")]
    for fault in CANDIDATE_FAULTS:
        level = largest_slice(scored, slices)
        spoilt = fault.strike(scored["predicted"].to_numpy(), level)
        column = pl.Series("predicted", spoilt.tolist() if spoilt.ndim == 2 else spoilt)
        rival = None if fault.first else opponent
        yield ask_gate(plan, fault.name, scored.with_columns(column), rival)
    yield ask_gate(
        plan, "shuffled labels", score_shuffled(plan, testbed, prepared, folder), opponent
    )
    leaking = leak_target(plan, testbed.snapshot)
    leaked = prepare_rows(leaking, testbed.snapshot, make_folder(folder, "leak"))
    scored = score(leaking, testbed.snapshot, leaked, folder / "leak")
    yield ask_gate(leaking, "label leak", scored, opponent)


def with_rounds(testbed: Testbed) -> Plan:
    """Train as the version was trained, without settling the number of rounds again."""
    training = testbed.plan.definition.training
    known = {"rounds": testbed.model.lineage["rounds"], "early_stopping": 0}
    return with_definition(testbed.plan, training=training.model_copy(update=known))


def with_definition(plan: Plan, **changes: object) -> Plan:
    definition: Definition = plan.definition.model_copy(update=changes)
    return plan.model_copy(update={"definition": definition})


def leak_target(plan: Plan, snapshot: Snapshot) -> Plan:
    """Add a feature that holds what is to be predicted."""
    given = {**plan.features.expressions, "leak": plan.definition.target.value}
    leaking = with_definition(plan, features=given)
    schema = snapshot.scan().collect_schema()
    features = compile_features(leaking.definition, schema, plan.origin)
    return leaking.model_copy(update={"features": features})


def score(plan: Plan, snapshot: Snapshot, prepared: Prepared, folder: Path) -> pl.DataFrame:
    trained = train_models(plan, prepared, folder)
    return evaluate_models(plan, snapshot, prepared, trained, folder)[1].read()


def score_shuffled(plan: Plan, testbed: Testbed, prepared: Prepared, folder: Path) -> pl.DataFrame:
    """Train on labels that belong to other rows, and score the holdout's true ones."""
    rows = prepared.scan().collect()
    shuffled = pl.when(pl.col(ROLE) != SplitRole.HOLDOUT).then(pl.col(TARGET).shuffle(1))
    labels = rows.select(shuffled.otherwise(pl.col(TARGET)).forward_fill().alias(TARGET))
    target = make_folder(folder, "shuffled")
    rows.with_columns(labels[TARGET]).write_ipc(target / "prepared.arrow")
    spoilt = prepared.model_copy(update={"path": target / "prepared.arrow"})
    return score(plan, testbed.snapshot, spoilt, target)


def largest_slice(scored: pl.DataFrame, slices: list[str]) -> Array:
    """Tell which rows belong to the largest level of the first slice; half where there is none."""
    if not slices:
        return np.asarray(np.arange(len(scored)) % 2 == 0)
    level = scored[slices[0]].value_counts(sort=True)[slices[0]][0]
    inside: Array = (scored[slices[0]] == level).to_numpy()
    return inside


def ask_gate(
    plan: Plan, fault: str, scored: pl.DataFrame, opponent: ChampionPredictions | None
) -> Drilled:
    bad = failed(judge_candidate(plan.definition, scored, opponent).checks)
    if not bad:
        return Drilled(fault=fault, guard="", detail="")
    return Drilled(fault=fault, guard="gate", detail=f"{bad[0].name}: {bad[0].detail}")
