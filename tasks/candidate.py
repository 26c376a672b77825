"""A candidate on its way into the registry, and read back from it.

Owns which files a version holds and what its lineage says. Refuses to make any of it: every value
comes from a step.
"""

import json
import logging
import os
import platform
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tasks.analysis import Analysis
from tasks.decisions import is_open
from tasks.definition import Frozen, parse_definition
from tasks.errors import DefinitionError, StoreError
from tasks.evaluation import Evaluation
from tasks.extraction import Snapshot
from tasks.ledger import name_os_user, read_ledger
from tasks.plan import Plan
from tasks.preparation import Prepared
from tasks.registry import (
    Published,
    code_digest,
    find,
    find_released,
    list_versions,
    package_versions,
    publish,
    read_files,
    snapshot_path,
    version_path,
)
from tasks.store import Store, reaching
from tasks.training import Trained
from tasks.validation import Verdict

log = logging.getLogger("perennial.candidate")


class Step(Frozen):
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
    trained: Trained
    evaluation: Evaluation
    verdict: Verdict
    refitted: Path | None
    steps: tuple[Step, ...]
    run_id: str


@contextmanager
def timed(name: str, steps: list[Step]) -> Iterator[None]:
    """Note when a step starts and ends."""
    start = datetime.now(UTC)
    yield
    end = datetime.now(UTC)
    steps.append(Step(name=name, start=start, end=end, seconds=(end - start).total_seconds()))
    log.info("%s took %.1f s", name, steps[-1].seconds)


def publish_candidate(
    candidate: Candidate, pages: dict[str, str], store: Store, folder: Path
) -> Published:
    """Publish the snapshot, then the version; where another run was first, its version counts."""
    plan = candidate.plan
    parts = candidate.snapshot.parts[0].parent
    version = write_version(candidate, pages, folder / "version")
    _publish_once(store, parts, snapshot_path(plan.snapshot))
    return _publish_once(store, version, version_path(plan.definition.name, plan.version))


def write_version(candidate: Candidate, pages: dict[str, str], folder: Path) -> Path:
    """Write a version's files. A refitted model is the one released; its twin lies beside it."""
    texts = {
        "definition.toml": _read_definition(candidate.plan),
        "features.json": candidate.plan.features.model_dump_json(indent=1),
        "vocabulary.json": candidate.prepared.vocabulary.model_dump_json(indent=1),
        "analysis.json": candidate.analysis.model_dump_json(indent=1, exclude={"profile"}),
        "evaluation.json": candidate.evaluation.model_dump_json(indent=1),
        "verdict.json": candidate.verdict.model_dump_json(indent=1),
        "lineage.json": json.dumps(trace_lineage(candidate), indent=1),
        **pages,
    }
    with reaching(str(folder)):
        folder.mkdir()
        shutil.copyfile(candidate.refitted or candidate.trained.twin, folder / "model.txt")
        if candidate.refitted is not None:
            shutil.copyfile(candidate.trained.twin, folder / "twin.txt")
        shutil.copyfile(candidate.analysis.profile, folder / "profile.bin")
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
    return folder


def _read_definition(plan: Plan) -> str:
    """Read the definition's own text, comments and all, if it is still what the run began with."""
    with reaching(plan.origin):
        text = Path(plan.origin).read_bytes().decode("utf-8-sig")
    if parse_definition(text, plan.origin).digest != plan.definition.digest:
        raise DefinitionError(f"{plan.origin}: was edited while the run went on; run it again")
    return text


def trace_lineage(candidate: Candidate) -> dict[str, Any]:
    """Tell where a version comes from. Metrics are those of the twin: it alone has a holdout."""
    plan, champion = candidate.plan, candidate.verdict.champion
    return {
        "model": plan.definition.name,
        "version": plan.version,
        "as_of": plan.as_of and plan.as_of.isoformat(),
        "snapshot": plan.snapshot,
        "snapshot_rows": candidate.snapshot.rows,
        "sources": plan.sources,
        "definition": plan.definition.digest,
        "code": code_digest(),
        "packages": package_versions(),
        "parameters": candidate.trained.params,
        "rounds": candidate.trained.rounds,
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


def describe_version(store: Store, published: Published) -> dict[str, Any]:
    """Read back what a person or program asks of a version: verdict, checks, metrics, steps."""
    (parts,) = _read_parts(store, [published], "lineage", "evaluation", "verdict", "analysis")
    lineage, evaluation, verdict, analysis = parts
    return {
        "model": lineage["model"],
        "version": lineage["version"],
        "as_of": lineage["as_of"],
        "verdict": _say(verdict),
        "checks": verdict["checks"],
        "contract": analysis["checks"],
        "warnings": analysis["warnings"],
        "metrics": evaluation["metrics"],
        "baseline": evaluation["baseline"],
        "simple": evaluation["simple"],
        "champion": verdict["champion"],
        "rows": {"snapshot": lineage["snapshot_rows"], **lineage["rows"]},
        "seconds": {step["name"]: step["seconds"] for step in lineage["steps"]},
        "refit": lineage["refit"],
        "manifest": published.digest,
        "report": f"{store.root}/{published.path_of('report.html')}",
    }


def describe_model(store: Store, model: str) -> dict[str, Any]:
    """Tell a model's champion, its versions, and those that passed and wait for a decision.

    What was approved and is not released yet still waits: approving it again finishes the release.
    """
    versions, ledger = list_versions(store, model), read_ledger(store, model)
    if not versions:
        raise _no_version(store, model)
    champion = find_released(store, model, ledger)
    open_ones = [each for each in versions.values() if is_open(ledger, model, each.version)]
    verdicts = _read_parts(store, open_ones, "verdict")
    return {
        "champion": champion.version if champion else None,
        "candidates": list(versions),
        "waiting": [
            each.version
            for each, (verdict,) in zip(open_ones, verdicts, strict=True)
            if verdict["passed"]
        ],
    }


def describe_history(store: Store, model: str) -> dict[str, Any]:
    """Tell a model's versions with their verdicts, and its ledger, whose chain is verified."""
    versions, ledger = list_versions(store, model), read_ledger(store, model)
    if not versions and not ledger:
        raise _no_version(store, model)
    parts = _read_parts(store, versions.values(), "lineage", "evaluation", "verdict")
    return {
        "model": model,
        "versions": [
            {
                "version": lineage["version"],
                "as_of": lineage["as_of"],
                "verdict": _say(verdict),
                "metrics": evaluation["metrics"],
                "champion": verdict["champion"],
            }
            for lineage, evaluation, verdict in parts
        ],
        "ledger": [entry.model_dump(mode="json") for entry in ledger],
    }


def _publish_once(store: Store, folder: Path, path: str) -> Published:
    found = find(store, path)
    if found is not None:
        return found
    try:
        return publish(store, folder, path)
    except FileExistsError as error:
        log.info("%s was published by another run meanwhile", path)
        found = find(store, path)
        if found is None:
            where = f"{store.root}/{path}"
            raise StoreError(f"{where}: has lost its manifest; remove it and run again") from error
        return found


def _read_parts(store: Store, versions: Iterable[Published], *names: str) -> list[list[Any]]:
    """Read these JSON files of each version, all at once: a bucket takes its time for each."""
    wanted = [(each, f"{name}.json") for each in versions for name in names]
    parsed = [json.loads(data) for data in read_files(store, wanted)]
    return [parsed[start : start + len(names)] for start in range(0, len(parsed), len(names))]


def _say(verdict: dict[str, Any]) -> str:
    return "passed" if verdict["passed"] else "refused"


def _no_version(store: Store, model: str) -> DefinitionError:
    return DefinitionError(f"{model}: has no version yet in {store.root}; run retrain first")
