"""What a run is settled to be, before any work is done: its inputs, and retrain's plan."""

from datetime import datetime
from pathlib import Path
from typing import Any, Self

from pydantic import Field

from tasks.core.definition import Definition, Frozen
from tasks.features.project_functions import FeatureCode
from tasks.features.transform import Features
from tasks.registry.forgotten import Forgotten

SCHEMAS = "schemas.json"  # a version's file of them


class RunInputs(Frozen):
    """What a run reads: a definition, its sources as they are, and as of when.

    `origin` is the definition's file, `root` the store's address; `sources` are digests by name.
    `asked_at` is when the data should be fresh: as-of if it was asked for, or else now.
    """

    definition: Definition
    origin: str
    project: Path
    root: str
    as_of: datetime | None
    asked_at: datetime
    sources: dict[str, str]
    features: Features


class Plan(RunInputs):
    """A retrain: equal inputs give an equal `version`, see `registry.versions.name_version`.

    `snapshot` is a digest. `tune` is how many sets of parameters are tried before training.
    `schemas` are the sources' columns as they were read, by source; `code` is the project's own;
    rows of `forgotten` keys are not extracted.
    """

    snapshot: str
    version: str
    tune: int = 0
    code: FeatureCode = FeatureCode()
    schemas: dict[str, dict[str, str]] = Field(default_factory=dict)
    forgotten: tuple[Forgotten, ...] = ()

    def settle(self, threshold: float | None) -> Self:
        """Give a plan that knows the threshold that was chosen; None: as it is."""
        return self.model_copy(update={"definition": self.definition.settle(threshold)})

    def with_training(self, **changes: Any) -> Self:
        """Give a plan with other keys of [training]; its names say nothing of them."""
        training = self.definition.training.model_copy(update=changes)
        definition = self.definition.model_copy(update={"training": training})
        return self.model_copy(update={"definition": definition})
