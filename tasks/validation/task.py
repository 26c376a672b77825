"""Step 6, validation, as Prefect records it: the gate's verdict on a candidate."""

import logging

from tasks.core.steps import step
from tasks.evaluation.evaluate import Scored
from tasks.extraction.run_plan import Plan
from tasks.extraction.snapshot import Snapshot
from tasks.preparation.split import Prepared
from tasks.registry.versions import find_champion
from tasks.storage.store import open_store
from tasks.training.published_model import load
from tasks.validation.champion_predictions import meet_champion
from tasks.validation.gate import Verdict, judge

log = logging.getLogger("perennial.validation")


@step("validation")
def validate(plan: Plan, snapshot: Snapshot, prepared: Prepared, scored: Scored) -> Verdict:
    """Judge the candidate by its gate, against the champion where there is one."""
    store = open_store(plan.root)
    holdout, champion = scored.read(), find_champion(store, plan.definition.name)
    classes = prepared.vocabulary.classes
    opponent = None
    if champion is not None:
        opponent = meet_champion(plan, snapshot, holdout, classes, load(store, champion))
    verdict = judge(plan.definition, holdout, opponent, scored.folds)
    for check in verdict.checks:
        log.info("%s %s: %s", "passed" if check.passed else "FAILED", check.name, check.detail)
    return verdict
