"""Step 5, evaluation, as Prefect records it: models scored on the holdout."""

import logging
from pathlib import Path

from tasks.core.steps import step
from tasks.evaluation.evaluate import Evaluation, Scored, evaluate_models
from tasks.evaluation.rolling_origin import describe_folds
from tasks.evaluation.stopping_metric import tell_disagreement
from tasks.extraction.run_plan import Plan
from tasks.extraction.snapshot import Snapshot
from tasks.preparation.split import Prepared
from tasks.training.train import Trained

log = logging.getLogger("perennial.evaluation")


@step("evaluation")
def evaluate(
    plan: Plan, snapshot: Snapshot, prepared: Prepared, trained: Trained, folder: Path
) -> tuple[Evaluation, Scored]:
    """Measure the evaluated twin on the holdout, beside the baseline and the simple model."""
    evaluation, scored = evaluate_models(plan, snapshot, prepared, trained, folder)
    numbers = ", ".join(
        f"{name} {value:.4f}" for name, value in evaluation.metrics["holdout"].items()
    )
    log.info("holdout %s", numbers)
    for warning in tell_disagreement(evaluation.disagreement, plan.definition.loss):
        log.warning("%s", warning)
    kept = evaluation.folds, evaluation.recalibrated
    for said in describe_folds(plan.definition.metric, *kept):
        log.info("%s", said)
    return evaluation, scored
