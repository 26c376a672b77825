"""Step 6, validation, as Prefect records it: the gate's verdict on a candidate."""

import logging
from pathlib import Path

from tasks.core.steps import step
from tasks.evaluation.evaluate import Evaluation, Scored
from tasks.evaluation.interval import Interval
from tasks.extraction.run_plan import Plan
from tasks.extraction.snapshot import Snapshot
from tasks.preparation.split import Prepared
from tasks.registry.versions import find_champion
from tasks.storage.store import open_store
from tasks.training.optuna_search import Trial
from tasks.training.published_model import load
from tasks.training.tuning import best_trial
from tasks.validation.champion_predictions import keep_predictions, meet_champion
from tasks.validation.gate import Verdict, judge
from tasks.validation.tuning_gain import describe_tuning, measure_tuning

log = logging.getLogger("perennial.validation")


@step("tuning gain")
def weigh_tuning(
    plan: Plan,
    prepared: Prepared,
    evaluation: Evaluation,
    scored: Scored,
    trials: tuple[Trial, ...],
    folder: Path,
) -> Interval | None:
    """Say what tuning gained on the holdout; one more model is trained for it if it took another.

    The first trial is the definition itself.
    """
    gain = None
    if best_trial(trials):
        gain = measure_tuning(plan, prepared, evaluation, scored, folder / "untuned")
    log.info("%s", describe_tuning(plan.definition.metric, gain))
    return gain


@step("validation")
def validate(plan: Plan, snapshot: Snapshot, prepared: Prepared, scored: Scored) -> Verdict:
    """Judge the candidate by its gate, against the champion where there is one."""
    store = open_store(plan.root)
    holdout, champion = scored.read(), find_champion(store, plan.definition.name)
    classes = prepared.vocabulary.classes
    opponent = None
    if champion is not None:
        opponent = meet_champion(plan, snapshot, holdout, classes, load(store, champion))
        keep_predictions(opponent, scored)
    verdict = judge(plan.definition, holdout, opponent, scored.folds)
    for check in verdict.checks:
        log.info("%s %s: %s", "passed" if check.passed else "FAILED", check.name, check.detail)
    return verdict
