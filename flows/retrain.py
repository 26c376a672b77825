"""Retrain: from a definition file to a judged candidate, production steps 1 to 6.

0. Plan: settle as-of, digests and version; refuse what schemas alone show to be wrong.
   A version that exists already is the answer.
1. Extraction: an immutable snapshot of the rows known as of that time.
2. Analysis: its profile, and the data contract it must keep.
3. Preparation: labels, a split by time, a frozen vocabulary. Tuning, where it is asked for.
4. Training: the twin that is evaluated, and a simple model to beat.
5. Evaluation: both on the holdout.
6. Validation: the gate. What passes is fitted once more on all rows with a matured label.

Candidate, lineage and report then appear in the registry at once, or not at all. What passed waits
for a person, unless one approved beforehand or the definition trusts its gate: `flows/release.py`.
A run on the newest data closes the candidates of older data that still wait. People are told.
"""

from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prefect import flow
from prefect.runtime import flow_run

from flows.release import release
from flows.run_artifacts import leave, link_candidate
from flows.run_page import conclude, name_run, say_candidate
from flows.run_progress import show_progress
from tasks.analysis.task import analyse
from tasks.comparison.candidate_changes import compare_candidate
from tasks.core.definition_check import check_keys
from tasks.core.definition_file import find_definition, load_definition, project_of
from tasks.core.errors import in_definition
from tasks.evaluation.task import evaluate
from tasks.extraction.run_plan import Plan
from tasks.extraction.snapshot import digest_snapshot, settle_as_of
from tasks.extraction.task import extract
from tasks.features.project_functions import call_functions
from tasks.features.transform import compile_features
from tasks.notifications.task import tell
from tasks.preparation.task import prepare
from tasks.registry.code_digest import model_code_digest
from tasks.registry.decisions import check_approver
from tasks.registry.forgotten import list_keys, read_records
from tasks.registry.overview import describe_version
from tasks.registry.superseded import find_superseded
from tasks.registry.task import supersede
from tasks.registry.trusted_ledger import read_trusted_ledger
from tasks.registry.version_status import find_release, is_open
from tasks.registry.versions import Published, find_version, name_version, read_file
from tasks.reports.candidate import draw_report
from tasks.sources.query import digest_sources, open_table
from tasks.storage.store import Store, open_store, work_folder
from tasks.training.constraint_check import check_constraints
from tasks.training.lightgbm_params import check_parameters
from tasks.training.task import refit, search, train
from tasks.training.tuning import name_search, take_best
from tasks.validation.candidate import Candidate, TimedStep, publish_candidate, timed
from tasks.validation.task import validate, weigh_tuning

AUTOMATIC = "auto (gate passed)"


@flow(name="retrain", flow_run_name=name_run)
def retrain(
    model: str, as_of: datetime | None = None, approve_as: str | None = None, tune: int = 0
) -> dict[str, Any]:
    """Retrain a model, given by name or definition file, on what was known as of a time.

    `approve_as` is who approves the candidate if it passes; it is then released at once. `tune` is
    how many sets of parameters are tried on the training window first.
    """
    plan, store, published = begin(model, as_of, approve_as, tune)
    known = published is not None
    if published is None:
        shown = show_progress(plan.definition.name, "tuning", "training", "folds")
        with work_folder(store) as folder, shown:
            published = make_candidate(plan, store, folder)
    made = describe_version(store, published)
    if as_of is None and find_superseded(store, plan.definition.name, plan.version):
        supersede(store.root, plan.definition.name, plan.version)
    approver = name_approver(plan, store, made, approve_as)
    waits = approver is None and made["verdict"] == "passed"
    leave_report(store, plan.definition.name, published, waits=waits)
    if approver is not None:
        made["release"] = release(
            plan.definition.name, plan.version, "approve", approver, "its gate passed"
        )
    tell(store.root, plan.definition.name, plan.origin)
    return conclude(made, made["verdict"], say_candidate(made, known=known))


def leave_report(store: Store, model: str, published: Published, *, waits: bool) -> None:
    """Leave a candidate's report in short, with a link to where it is decided on if it waits."""
    summary, version = read_file(store, published, "report.md").decode(), published.version
    still = waits and is_open(read_trusted_ledger(store, model), model, version)
    leave(f"candidate-{model}", summary, link_candidate(model, version, waits=still))


def find_done(
    model: str, as_of: datetime | None = None, approve_as: str | None = None, tune: int = 0
) -> dict[str, Any] | None:
    """Find the candidate that `retrain` would make, where nothing is left to do about it."""
    plan, store, published = begin(model, as_of, approve_as, tune)
    if published is None:
        return None
    made = describe_version(store, published)
    return made if name_approver(plan, store, made, approve_as) is None else None


def begin(
    model: str, as_of: datetime | None, approve_as: str | None, tune: int
) -> tuple[Plan, Store, Published | None]:
    """Plan a run, and find the version that it would make, if it is there already."""
    if approve_as is not None:
        check_approver(approve_as)
    plan = plan_retrain(model, as_of, tune)
    store = open_store(plan.root)
    return plan, store, find_version(store, plan.definition.name, plan.version)


def name_approver(
    plan: Plan, store: Store, made: dict[str, Any], approve_as: str | None
) -> str | None:
    """Name who approves this candidate without looking at it first; None if nobody does."""
    ledger = read_trusted_ledger(store, plan.definition.name)
    if made["verdict"] != "passed" or find_release(ledger, plan.version):
        return None
    automatic = plan.definition.approval.mode == "auto"
    if approve_as is None and automatic and is_open(ledger, plan.definition.name, plan.version):
        return AUTOMATIC
    return approve_as


def plan_retrain(model: str, as_of: datetime | None, tune: int = 0) -> Plan:
    """Settle all that a run depends on, and refuse whatever needs no data to be refused."""
    path = find_definition(model)
    definition, project, origin = load_definition(path), project_of(path), str(path)
    check_parameters(definition, origin)
    tuning = name_search(tune)
    with in_definition(origin):
        table = open_table(definition, project)
        check_keys(definition, table.columns)
    code = call_functions(definition, project, origin)
    features = compile_features(definition, table.columns, origin, code.built)
    check_constraints(definition, features, origin)
    sources = digest_sources(table)
    now = datetime.now(UTC)
    settled = settle_as_of(table, as_of, now)
    store = open_store()
    forgotten = list_keys(read_records(store, definition.name))
    snapshot = digest_snapshot(definition, sources, settled, forgotten)
    return Plan(
        definition=definition,
        origin=origin,
        project=project,
        root=store.root,
        as_of=settled,
        asked_at=now if as_of is None or settled is None else settled,
        sources=sources,
        snapshot=snapshot,
        features=features,
        version=name_version(
            settled, snapshot, definition.digest, model_code_digest(), *code.key, *tuning
        ),
        tune=tune,
        code=code,
        forgotten=forgotten,
        schemas={
            name: {column: str(dtype) for column, dtype in frame.collect_schema().items()}
            for name, frame in table.frames.items()
        },
    )


def make_candidate(
    plan: Plan,
    store: Store,
    folder: Path,
    write_pages: Callable[[Candidate], dict[str, str]] | None = None,
) -> Published:
    """Run the six steps in a folder of their own and publish what they made, with its report."""
    steps: list[TimedStep] = []
    with timed("extraction", steps):
        snapshot = extract(plan, folder)
    with timed("analysis", steps):
        analysis = analyse(plan, snapshot, folder)
    with timed("preparation", steps):
        prepared = prepare(plan, snapshot, folder)
    with timed("tuning", steps) if plan.tune else nullcontext():
        trials = search(plan, prepared) if plan.tune else ()
    with timed("training", steps):
        trained = train(take_best(plan, trials), prepared, folder)
    with timed("evaluation", steps):
        evaluation, scored = evaluate(plan, snapshot, prepared, trained, folder)
        gain = weigh_tuning(plan, prepared, evaluation, scored, trials, folder) if trials else None
    plan = plan.settle(evaluation.chosen_threshold)
    with timed("validation", steps):
        verdict = validate(plan, snapshot, prepared, scored)
    again = verdict.passed and plan.definition.training.refit and plan.as_of is not None
    with timed("refit", steps) if again else nullcontext():
        refitted = refit(plan, prepared, trained, folder) if again else None
    candidate = Candidate(
        plan=plan, snapshot=snapshot, analysis=analysis, prepared=prepared, trials=trials,
        tuning_gain=gain, trained=trained, evaluation=evaluation, verdict=verdict,
        refitted=refitted, steps=tuple(steps), run_id=str(flow_run.id or ""),
    )  # fmt: skip
    if write_pages is None:
        pages = draw_report(candidate, compare_candidate(candidate, scored))
    else:
        pages = write_pages(candidate)
    return publish_candidate(candidate, pages, store, folder)
