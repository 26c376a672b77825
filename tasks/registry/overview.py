"""Read a model's state for `status`, `show` and `history`: versions, champion, decisions.

Responsible for joining published files and the ledger into plain dictionaries, which are the JSON
output. Changes nothing.
"""

import json
from collections.abc import Iterable
from typing import Any

from tasks.core.errors import DefinitionError, PerennialError, first_line
from tasks.registry.trusted_ledger import read_trusted_ledger
from tasks.registry.version_status import is_open
from tasks.registry.versions import Published, find_unedited, list_models, list_versions, read_files
from tasks.storage.store import Store


def describe_version(store: Store, published: Published) -> dict[str, Any]:
    """Describe one version: verdict, checks, metrics, rows, seconds and where its report is."""
    (parts,) = _read_parts(store, [published], "lineage", "evaluation", "verdict", "analysis")
    lineage, evaluation, verdict, analysis = parts
    return {
        "model": lineage["model"],
        "version": lineage["version"],
        "as_of": lineage["as_of"],
        "verdict": _say(verdict),
        "checks": verdict["checks"],
        "contract": analysis["checks"],
        "warnings": list_warnings(lineage, verdict, analysis),
        **({"card": lineage["card"]} if "card" in lineage else {}),
        **({"unit": lineage["unit"]} if "unit" in lineage else {}),
        "metrics": evaluation["metrics"],
        "baseline": evaluation["baseline"],
        "simple": evaluation["simple"],
        **({"folds": evaluation["folds"]} if "folds" in evaluation else {}),
        "champion": verdict["champion"],
        "rows": {"snapshot": lineage["snapshot_rows"], **lineage["rows"]},
        "seconds": {step["name"]: step["seconds"] for step in lineage["steps"]},
        "refit": lineage["refit"],
        "manifest": published.digest,
        "report": f"{store.root}/{published.path_of('report.html')}",
    }


def describe_model(store: Store, model: str) -> dict[str, Any]:
    """Describe a model: its champion, its versions, and those that wait for a decision.

    What was approved and is not released yet still waits: approving it again finishes the release.
    Raises DefinitionError for a model without a version.
    """
    versions, ledger = list_versions(store, model), read_trusted_ledger(store, model)
    if not versions:
        raise _no_version(store, model)
    champion = find_unedited(store, model, ledger)
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


def describe_models(store: Store) -> dict[str, Any]:
    """Describe all models; of one that cannot be read, the problem in a line."""
    found: dict[str, Any] = {"root": store.root, "models": {}, "problems": {}}
    for model in list_models(store):
        try:
            found["models"][model] = describe_model(store, model)
        except PerennialError as error:
            found["problems"][model] = first_line(error)
    return found


def describe_history(store: Store, model: str) -> dict[str, Any]:
    """Describe a model's versions with their verdicts, and its ledger, whose chain is verified."""
    versions, ledger = list_versions(store, model), read_trusted_ledger(store, model)
    if not versions and not ledger:
        raise _no_version(store, model)
    find_unedited(store, model, ledger)
    parts = _read_parts(store, versions.values(), "lineage", "evaluation", "verdict")
    return {
        "model": model,
        "versions": [
            {
                "version": lineage["version"],
                "as_of": lineage["as_of"],
                "verdict": _say(verdict),
                **({"unit": lineage["unit"]} if "unit" in lineage else {}),
                "metrics": evaluation["metrics"],
                "champion": verdict["champion"],
            }
            for lineage, evaluation, verdict in parts
        ],
        "ledger": [entry.model_dump(mode="json") for entry in ledger],
    }


def _read_parts(store: Store, versions: Iterable[Published], *names: str) -> list[list[Any]]:
    """Read these JSON files of each version, all at once: a bucket takes its time for each."""
    wanted = [(each, f"{name}.json") for each in versions for name in names]
    parsed = [json.loads(data) for data in read_files(store, wanted)]
    return [parsed[start : start + len(names)] for start in range(0, len(parsed), len(names))]


def list_warnings(
    lineage: dict[str, Any], verdict: dict[str, Any], analysis: dict[str, Any]
) -> list[str]:
    """List what speaks against a version, of its published files; older ones lack some of it."""
    short = [each["said"] for each in verdict.get("shortfalls", [])]
    told = [each["warning"] for each in verdict["checks"] if "warning" in each]
    return [*short, *analysis["warnings"], *lineage.get("warnings", []), *told]


def _say(verdict: dict[str, Any]) -> str:
    return "passed" if verdict["passed"] else "refused"


def _no_version(store: Store, model: str) -> DefinitionError:
    return DefinitionError(f"{model}: has no version yet in {store.root}; run retrain first")
