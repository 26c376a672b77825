"""The drill of the gate: a candidate spoiled in each way, which the gate has to refuse.

Responsible for training and scoring such candidates, with a sound one as the champion. The steps
and the gate are the real ones.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from tasks.core.checks import failed
from tasks.core.columns import LEARNED_OFFSET, ROLE, TARGET
from tasks.drill.faults import CANDIDATE_FAULTS
from tasks.drill.testbed import CLEAN, Drilled, Testbed, make_folder
from tasks.evaluation.evaluate import evaluate_models
from tasks.evaluation.metrics import Array
from tasks.extraction.run_plan import Plan
from tasks.extraction.snapshot import Snapshot
from tasks.features.transform import compile_features
from tasks.preparation.split import Prepared, SplitRole, prepare_rows
from tasks.training.train import train_models
from tasks.validation.champion_predictions import ChampionPredictions
from tasks.validation.gate import judge


def drill_candidates(testbed: Testbed, folder: Path) -> Iterator[Drilled]:
    """Spoil a candidate's predictions and its labels, and ask the gate, with itself as champion."""
    plan = testbed.plan.settle(testbed.model.definition.threshold)
    if testbed.model.recalibration is None:  # else it is fitted where rounds are settled
        rounds = testbed.model.lineage["rounds"]  # are known, and not settled again
        plan = plan.with_training(rounds=rounds, early_stopping=0)
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
        spoiled = fault.strike(scored["predicted"].to_numpy(), level)
        column = pl.Series("predicted", spoiled)
        # What is wrong with a model is so where it learned, too: no base rate has moved.
        scored = scored.drop(LEARNED_OFFSET, strict=False)
        rival = None if fault.first else opponent
        yield ask_gate(plan, fault.name, scored.with_columns(column), rival)
    yield ask_gate(
        plan, "shuffled labels", score_shuffled(plan, testbed, prepared, folder), opponent
    )
    leaking = leak_target(plan, testbed.snapshot)
    leaked = prepare_rows(leaking, testbed.snapshot, make_folder(folder, "leak"))
    scored = score(leaking, testbed.snapshot, leaked, folder / "leak")
    yield ask_gate(leaking, "label leak", scored, opponent)


def leak_target(plan: Plan, snapshot: Snapshot) -> Plan:
    """Add a feature that holds what is to be predicted."""
    given = plan.definition.features or plan.features.expressions
    given = {**given, "leak": plan.definition.target.value}
    definition = plan.definition.model_copy(update={"features": given})
    schema = snapshot.scan().collect_schema()
    features = compile_features(definition, schema, plan.origin, plan.features.built)
    return plan.model_copy(update={"definition": definition, "features": features})


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
    spoiled = prepared.model_copy(update={"path": target / "prepared.arrow"})
    return score(plan, testbed.snapshot, spoiled, target)


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
    bad = failed(judge(plan.definition, scored, opponent).checks)
    if not bad:
        return Drilled(fault=fault, guard="", detail="")
    return Drilled(fault=fault, guard="gate", detail=f"{bad[0].name}: {bad[0].detail}")
