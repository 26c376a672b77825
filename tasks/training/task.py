"""Step 4, training, as Prefect records it: tune, train, and refit on all rows."""

import logging
from pathlib import Path

from tasks.core.steps import step
from tasks.extraction.run_plan import Plan
from tasks.preparation.split import Prepared
from tasks.storage.store import open_store
from tasks.training.optuna_search import Trial
from tasks.training.train import Trained, refit_model, train_models
from tasks.training.tuning import search_parameters

log = logging.getLogger("perennial.training")


@step("tuning")
def search(plan: Plan, prepared: Prepared) -> tuple[Trial, ...]:
    """Search parameters; trials are kept beside the runs' work folders, the last search a model."""
    kept = open_store(plan.root).workspace() / "tuning" / f"{plan.definition.name}.json"
    return search_parameters(plan, prepared, kept)


@step("training")
def train(plan: Plan, prepared: Prepared, folder: Path) -> Trained:
    """Train the candidate's evaluated twin and the simple model it has to beat."""
    trained = train_models(plan, prepared, folder)
    log.info("%d rounds", trained.rounds)
    return trained


@step("refit")
def refit(plan: Plan, prepared: Prepared, trained: Trained, folder: Path) -> Path:
    """Fit the model that will be released on all matured rows."""
    return refit_model(plan, prepared, trained, folder)
