"""Real candidates made on few flights, and what can be changed about them."""

import shutil
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

import pytest

from flows.retrain import plan_retrain
from tasks.analysis.profile_drift import ColumnDrift
from tasks.analysis.task import analyse
from tasks.evaluation.task import evaluate
from tasks.extraction.task import extract
from tasks.preparation.task import prepare
from tasks.reports.candidate import draw_report
from tasks.training.task import train
from tasks.validation.candidate import Candidate, TimedStep, timed
from tasks.validation.champion_comparison import ChampionScores
from tasks.validation.task import validate

STEERING = "\x1b\u202e"
HOSTILE = "</text><script>\u202e\x1b[31malert('1')</script>|*a*"
DEFINITION = """
name = "flights"
description = "What becomes of this flight?"
sources.flights = "data/nycflights13/flights-*.parquet"
extract.time = "time_hour"
target = { value = "VALUE", kind = "KIND" }
features = { carrier = "carrier", dest = "dest", distance = "distance", hour = "hour" }
training = { threads = 2, rounds = 20 }
gate.slice_rows = 20
"""
TARGETS = {
    "binary": "arr_delay > 15",
    "multiclass": "origin",
    "regression": "arr_delay",
}


def run_steps(project: Path, kind: str, folder: Path) -> Candidate:
    own = shutil.copytree(project, folder / "project")
    definition = own / "deployments" / f"report_{kind}.toml"
    definition.write_text(DEFINITION.replace("VALUE", TARGETS[kind]).replace("KIND", kind))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERENNIAL_ROOT", str(folder / "root"))
        return take_steps(definition, datetime(2013, 8, 1, tzinfo=UTC), folder)


def take_steps(definition: Path, as_of: datetime | None, folder: Path) -> Candidate:
    """Take all six steps, as the flow does, but for the second fit."""
    steps: list[TimedStep] = []
    plan = plan_retrain(str(definition), as_of)
    with timed("extraction", steps):
        snapshot = extract.fn(plan, folder)
    prepared = prepare.fn(plan, snapshot, folder)
    trained = train.fn(plan, prepared, folder)
    evaluation, scored = evaluate.fn(plan, snapshot, prepared, trained, folder)
    plan = plan.settle(evaluation.chosen_threshold)
    return Candidate(
        plan=plan,
        snapshot=snapshot,
        analysis=analyse.fn(plan, snapshot, folder),
        prepared=prepared,
        trained=trained,
        evaluation=evaluation,
        verdict=validate.fn(plan, snapshot, prepared, scored),
        refitted=trained.twin,
        steps=tuple(steps),
        run_id="",
    )


def page(candidate: Candidate) -> str:
    return draw_report(candidate)["report.html"]


def main_of(html: str) -> ElementTree.Element:
    return ElementTree.fromstring(html[html.index("<main>") : html.index("</body>")])


def with_champion(candidate: Candidate, rows: int) -> Candidate:
    """Give a candidate a champion that is a little better, and drift since its snapshot."""
    ours = candidate.evaluation.metrics["holdout"]
    better = {**ours, "auc": ours["auc"] + 0.01}
    champion = ChampionScores(
        version="20130701T000000Z-champion",
        model="released",
        rows=rows,
        metrics=better,
        candidate=ours,
    )
    drift = (
        ColumnDrift(column="time_hour", kind="number", change="none", psi=9.0, hellinger=0.9),
        ColumnDrift(column="temp", kind="number", change="none", psi=0.31, hellinger=0.2),
        ColumnDrift(column="seats", kind="number", change="retyped", current_dtype="String"),
    )
    analysis = candidate.analysis.model_copy(
        update={"drift": drift, "reference": champion.version, "warnings": ("it rains",)}
    )
    verdict = candidate.verdict.model_copy(update={"champion": champion})
    return candidate.model_copy(update={"verdict": verdict, "analysis": analysis})


def with_verdict(candidate: Candidate, passed: bool) -> Candidate:
    first, *others = candidate.verdict.checks
    settled = [check.model_copy(update={"passed": True}) for check in others]
    checks = (first.model_copy(update={"passed": passed}), *settled)
    verdict = candidate.verdict.model_copy(update={"passed": passed, "checks": checks})
    return candidate.model_copy(update={"verdict": verdict})


def with_hostile_names(candidate: Candidate) -> Candidate:
    evaluation, analysis, plan = candidate.evaluation, candidate.analysis, candidate.plan
    slices = [each.model_copy(update={"level": HOSTILE}) for each in evaluation.slices]
    features = [each.model_copy(update={"feature": HOSTILE}) for each in evaluation.importance]
    checks = [
        each.model_copy(update={"name": HOSTILE, "detail": HOSTILE, "numbers": {HOSTILE: HOSTILE}})
        for each in candidate.verdict.checks
    ]
    columns = {HOSTILE: next(iter(analysis.columns.values()))}
    drift = (ColumnDrift(column=HOSTILE, kind="number", change="retyped", psi=1.0, hellinger=0.5),)
    changed = {
        "plan": {"definition": plan.definition.model_copy(update={"description": HOSTILE})},
        "evaluation": {"slices": tuple(slices), "importance": tuple(features)},
        "verdict": {"checks": tuple(checks), "passed": False},
        "analysis": {"columns": columns, "warnings": (HOSTILE,), "drift": drift, "reference": "x"},
    }
    return candidate.model_copy(
        update={
            name: getattr(candidate, name).model_copy(update=update)
            for name, update in changed.items()
        }
    )
