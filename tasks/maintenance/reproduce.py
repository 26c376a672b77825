"""Reproduce: make a published version once more from its lineage alone, and compare the bytes.

Responsible for what must come out the same, and for naming the cause where it does not. What is
made here is compared and thrown away.
"""

import logging
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tasks.core.definition import Frozen
from tasks.core.errors import DataRefused, DefinitionError, SourceError, StoreError, first_line
from tasks.core.names import is_plain
from tasks.core.prediction_interval import beside
from tasks.evaluation.evaluate import evaluate_models
from tasks.evaluation.example_rows import write_examples
from tasks.extraction.run_plan import Plan
from tasks.extraction.snapshot import Snapshot, extract_snapshot, open_snapshot
from tasks.features.project_functions import digest_source, find_versions
from tasks.features.transform import compile_features
from tasks.preparation.split import prepare_rows
from tasks.registry.code_digest import LIBRARIES, maker_digest, package_versions
from tasks.registry.forgotten import read_records
from tasks.registry.snapshots import fetch_snapshot, snapshot_path
from tasks.registry.versions import Published, find
from tasks.sources.query import SourceTable, digest_sources, holding, open_table
from tasks.storage.store import Store, digest_file
from tasks.training.lightgbm_params import model_parameters
from tasks.training.optuna_search import tuner
from tasks.training.published_model import load
from tasks.training.recalibration import RECALIBRATION
from tasks.training.train import refit_model, train_models
from tasks.training.tuning import search_parameters, take_best
from tasks.validation.candidate import write_recalibration

log = logging.getLogger("perennial.reproduction")


class Reproduction(Frozen):
    """Which files came out the same, and what is not as it was when the version was made."""

    model: str
    version: str
    same: tuple[str, ...]
    different: tuple[str, ...]
    causes: tuple[str, ...]

    @property
    def reproduced(self) -> bool:
        return not self.different


def reproduce_version(
    store: Store, published: Published, folder: Path, project: Path
) -> Reproduction:
    """Make a version's models and numbers again, and compare their digests with its manifest.

    Raises DataRefused for a version that learned from rows which were forgotten since.
    """
    refuse_forgotten(store, published)
    model = load(store, published)
    lineage, plan = model.lineage, model.recall_plan(project)
    snapshot = recall_snapshot(store, plan, folder)
    made = make_again(plan, snapshot, lineage, folder)
    # Versions that were made before there were examples hold none.
    digests = {
        name: digest_file(path) for name, path in made.items() if name in published.manifest.files
    }
    lost = {RECALIBRATION} & published.manifest.files.keys() - made.keys()
    same = [name for name, digest in digests.items() if published.manifest.files[name] == digest]
    return Reproduction(
        model=plan.definition.name,
        version=plan.version,
        same=tuple(same),
        different=(*(name for name in digests if name not in same), *lost),
        causes=tuple(name_changes(plan, lineage)),
    )


def refuse_forgotten(store: Store, published: Published) -> None:
    _, model, version = published.path.split("/")
    for record in read_records(store, model):
        if version in record.versions:
            raise DataRefused(
                f"{model}: {version} learned from rows that were forgotten on "
                f"{record.time:%Y-%m-%d} (record {record.number}); they are gone, so that it "
                "cannot be made again"
            )


def recall_snapshot(store: Store, plan: Plan, folder: Path) -> Snapshot:
    """Take the snapshot from the root; where it is gone, extract it anew from its sources."""
    kept = find(store, snapshot_path(plan.snapshot))
    target = folder / "snapshot"
    parts = tuple(fetch_snapshot(store, kept, target)) if kept else extract_again(plan, target)
    snapshot = open_snapshot(plan, parts)
    log.info("%s rows %s", f"{snapshot.rows:,}", "from the root" if kept else "extracted anew")
    return snapshot


def extract_again(plan: Plan, folder: Path) -> tuple[Path, ...]:
    """Extract a snapshot that the root has lost; StoreError where its sources have changed."""
    table = open_table(plan.definition, plan.project)
    if changed := find_changed(plan, table):
        raise StoreError(
            f"{plan.origin}: its snapshot {plan.snapshot} is gone from {plan.root}, and source "
            f"{changed[0]!r} is no longer what it was made of; restore either"
        )
    with holding(table, plan.sources):
        return extract_snapshot(plan, table, folder)


def make_again(
    plan: Plan, snapshot: Snapshot, lineage: dict[str, Any], folder: Path
) -> dict[str, Path]:
    """Take the steps from preparation to evaluation, and give the files that they made."""
    schema, built = snapshot.scan().collect_schema(), plan.features.built
    features = compile_features(plan.definition, schema, plan.origin, built)
    prepared = prepare_rows(plan, snapshot, folder)
    trials = search_parameters(plan, prepared, folder / "tuning.json")
    trained = train_models(take_best(plan, trials), prepared, folder)
    log.info("%d rounds trained", trained.rounds)
    evaluation, _ = evaluate_models(plan, snapshot, prepared, trained, folder)
    texts = {"features.json": features, "vocabulary.json": prepared.vocabulary}
    made = {}
    written = {name: value.model_dump_json(indent=1) for name, value in texts.items()}
    written |= {"evaluation.json": evaluation.model_dump_json(indent=1)}
    written |= {"example_rows.json": write_examples(plan, snapshot, prepared)}
    for name, text in {**written, **write_recalibration(evaluation)}.items():
        made[name] = folder / name
        made[name].write_text(text, encoding="utf-8")
    models = {"model.txt": trained.twin}
    if lineage["refit"]:
        refitted = refit_model(plan, prepared, trained, folder)
        models = {"twin.txt": trained.twin, "model.txt": refitted}
    intervals = {
        beside(Path(name)).name: beside(path)
        for name, path in models.items()
        if plan.definition.serving.interval is not None
    }
    return {**made, **models, **intervals}


def name_changes(plan: Plan, lineage: dict[str, Any]) -> Iterator[str]:
    """Name what is not as it was then: data, packages, code, machine."""
    yield from _name_data(plan)
    theirs = [name for name in lineage["packages"] if name not in LIBRARIES]
    packages = find_versions(theirs) | package_versions()
    packages |= tuner() if plan.tune else {}
    for name, before in lineage["packages"].items():
        if packages.get(name) != before:
            yield f"package: {name} was {before} and is {packages.get(name, 'missing')} now"
    yield from _name_feature_code(plan, lineage)
    if lineage["modules"] != maker_digest():
        yield "code: Perennial's own modules are not those that made it"
    executor, here = lineage["executor"], platform.platform()
    if executor["platform"] != here:
        yield f"machine: it was made on {executor['platform']}, and this is {here}"
    threads = model_parameters(plan.definition, 2)["num_threads"]
    if lineage["parameters"]["num_threads"] != threads:
        was = lineage["parameters"]["num_threads"]
        yield f"machine: LightGBM had {was} threads and has {threads} here; set [training] threads"


def _name_data(plan: Plan) -> Iterator[str]:
    try:
        table = open_table(plan.definition, plan.project)
        changed = find_changed(plan, table)
    except (SourceError, DefinitionError) as error:
        yield f"data: the sources cannot be read any more: {first_line(error)}"
        return
    for name in changed:
        yield f"data: source {name!r} has changed since; its snapshot was taken instead"


def _name_feature_code(plan: Plan, lineage: dict[str, Any]) -> Iterator[str]:
    """Name the modules of the project's own features that are others now."""
    for name, before in lineage.get("feature_code", {}).items():  # older versions had none
        if not is_plain(name):
            continue
        path = plan.project / name
        if not path.is_file() or digest_source(path.read_text("utf-8", "replace")) != before:
            said = "has changed since" if path.is_file() else "is gone"
            yield f"code: {name} {said}; the expressions that the version keeps were taken instead"


def find_changed(plan: Plan, table: SourceTable) -> list[str]:
    """Name the sources that are no longer what a version was made of."""
    found = digest_sources(table)
    return [name for name, digest in plan.sources.items() if found.get(name) != digest]
