"""A candidate on its way into the registry: which files a version has, and its lineage.

Not responsible for making any of it: every value comes from a step.
"""

import json
import logging
import os
import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tasks.analysis.data_contract import Analysis
from tasks.core.definition import Frozen, parse_definition
from tasks.core.errors import DefinitionError
from tasks.core.prediction_interval import beside
from tasks.evaluation.evaluate import Evaluation
from tasks.evaluation.example_rows import write_examples
from tasks.evaluation.interval import Interval
from tasks.extraction.run_plan import SCHEMAS, Plan
from tasks.extraction.snapshot import Snapshot
from tasks.features.project_functions import FEATURE_CODE
from tasks.preparation.split import Prepared
from tasks.registry.code_digest import maker_digest, model_code_digest, package_versions
from tasks.registry.ledger import name_os_user
from tasks.registry.snapshots import snapshot_path
from tasks.registry.versions import Published, publish_once, version_path
from tasks.storage.store import Store, reaching
from tasks.training.early_stopping import warn_of_rounds
from tasks.training.optuna_search import Trial, tuner
from tasks.training.recalibration import RECALIBRATION
from tasks.training.train import Trained
from tasks.training.tuning import best_trial
from tasks.validation.gate import Verdict

log = logging.getLogger("perennial.candidate")


class TimedStep(Frozen):
    """When a step ran, and for how many seconds."""

    name: str
    start: datetime
    end: datetime
    seconds: float


class Candidate(Frozen):
    """All that the steps found out about one version, before it is published."""

    plan: Plan
    snapshot: Snapshot
    analysis: Analysis
    prepared: Prepared
    trials: tuple[Trial, ...] = ()
    tuning_gain: Interval | None = None
    trained: Trained
    evaluation: Evaluation
    verdict: Verdict
    refitted: Path | None
    steps: tuple[TimedStep, ...]
    run_id: str


@contextmanager
def timed(name: str, steps: list[TimedStep]) -> Iterator[None]:
    """Note when a step starts and ends."""
    start = datetime.now(UTC)
    yield
    end = datetime.now(UTC)
    steps.append(TimedStep(name=name, start=start, end=end, seconds=(end - start).total_seconds()))
    log.info("%s took %.1f s", name, steps[-1].seconds)


def publish_candidate(
    candidate: Candidate, pages: dict[str, str], store: Store, folder: Path
) -> Published:
    """Publish the snapshot, then the version; where another run was first, its version counts."""
    plan = candidate.plan
    parts = candidate.snapshot.parts[0].parent
    version = write_version(candidate, pages, folder / "version")
    publish_once(store, parts, snapshot_path(plan.snapshot))
    return publish_once(store, version, version_path(plan.definition.name, plan.version))


def write_version(candidate: Candidate, pages: dict[str, str], folder: Path) -> Path:
    """Write a version's files. A refitted model is the one released; its twin lies beside it."""
    plan = candidate.plan
    texts = {
        "definition.toml": _read_definition(candidate.plan),
        "features.json": candidate.plan.features.model_dump_json(indent=1),
        "vocabulary.json": candidate.prepared.vocabulary.model_dump_json(indent=1),
        "analysis.json": candidate.analysis.model_dump_json(indent=1, exclude={"profile"}),
        "evaluation.json": candidate.evaluation.model_dump_json(indent=1),
        "verdict.json": candidate.verdict.model_dump_json(indent=1),
        "lineage.json": json.dumps(trace_lineage(candidate), indent=1),
        SCHEMAS: json.dumps(candidate.plan.schemas, indent=1),
        **write_recalibration(candidate.evaluation),
        **_write_feature_code(candidate.plan),
        "example_rows.json": write_examples(candidate.plan, candidate.snapshot, candidate.prepared),
        **pages,
    }
    with reaching(str(folder)):
        folder.mkdir()
        models = {"model.txt": candidate.refitted or candidate.trained.twin}
        if candidate.refitted is not None:
            models["twin.txt"] = candidate.trained.twin
        for name, model in models.items():
            shutil.copyfile(model, folder / name)
            if plan.definition.serving.interval is not None:
                shutil.copyfile(beside(model), beside(folder / name))
        shutil.copyfile(candidate.analysis.profile, folder / "profile.bin")
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
    return folder


def write_recalibration(evaluation: Evaluation) -> dict[str, str]:
    """Give the file of how predictions are recalibrated, where they are."""
    chosen = evaluation.recalibrated and evaluation.recalibrated.chosen
    return (
        {RECALIBRATION: chosen.model_dump_json(indent=1, exclude_defaults=True)} if chosen else {}
    )


def _write_feature_code(plan: Plan) -> dict[str, str]:
    """Keep the sources of the project's own features, to read and compare: nothing runs them."""
    sources = plan.code.sources
    return {FEATURE_CODE: json.dumps(sources, indent=1, ensure_ascii=False)} if sources else {}


def _read_definition(plan: Plan) -> str:
    """Read the definition's own text, comments and all, if it is still what the run began with."""
    with reaching(plan.origin):
        text = Path(plan.origin).read_bytes().decode("utf-8-sig")
    now = parse_definition(text, plan.origin)
    if (now.digest, now.card) != (plan.definition.digest, plan.definition.card):
        raise DefinitionError(f"{plan.origin}: was edited while the run went on; run it again")
    return text


def trace_lineage(candidate: Candidate) -> dict[str, Any]:
    """Tell where a version comes from. Metrics are those of the twin: it alone has a holdout."""
    plan, trained, champion = candidate.plan, candidate.trained, candidate.verdict.champion
    return {
        "model": plan.definition.name,
        "version": plan.version,
        "as_of": plan.as_of and plan.as_of.isoformat(),
        "snapshot": plan.snapshot,
        "snapshot_rows": candidate.snapshot.rows,
        "sources": plan.sources,
        "forgotten": len(plan.forgotten),
        "definition": plan.definition.digest,
        **({"card": card} if (card := plan.definition.card.model_dump()) else {}),
        **({"unit": unit} if (unit := plan.definition.target.unit) else {}),
        "code": model_code_digest(),
        "modules": maker_digest(),
        "feature_code": plan.code.digests,
        "packages": plan.code.packages | package_versions() | (tuner() if candidate.trials else {}),
        **_trace_threshold(candidate.evaluation),
        "parameters": trained.params,
        "rounds": trained.rounds,
        "warnings": list(warn_of_rounds(plan.definition, trained.rounds, trained.curve)),
        "tuning": trace_tuning(candidate.trials, candidate.tuning_gain),
        "refit": candidate.refitted is not None,
        "split": candidate.prepared.split.model_dump(mode="json"),
        "rows": candidate.prepared.rows,
        "unlabelled": candidate.prepared.unlabelled,
        "immature": candidate.prepared.immature,
        "metrics": candidate.evaluation.metrics,
        "champion": champion and champion.version,
        "steps": [step.model_dump(mode="json") for step in candidate.steps],
        "executor": {
            "os_user": name_os_user(),
            "platform": platform.platform(),
            "cpus": os.cpu_count(),
        },
        "flow_run": candidate.run_id,
    }


def _trace_threshold(evaluation: Evaluation) -> dict[str, float]:
    chosen = evaluation.chosen_threshold
    return {} if chosen is None else {"threshold": chosen}


def trace_tuning(trials: tuple[Trial, ...], gain: Interval | None) -> dict[str, Any] | None:
    """Tell what was tried on the training window, which trial was taken, and what it gained."""
    if not trials:
        return None
    return {
        "taken": best_trial(trials),
        "gain": gain and gain.model_dump(),
        "trials": [{**each.model_dump(), "loss": each.loss} for each in trials],
    }
