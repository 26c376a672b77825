"""A plan: all that a run of one model is settled to be before any work is done."""

from datetime import datetime
from pathlib import Path

from pydantic import Field

from tasks.core.definition import Definition, Frozen
from tasks.features.transform import Features

SCHEMAS = "schemas.json"  # a version's file of them


class Plan(Frozen):
    """`origin` is the definition's file, `sources` and `snapshot` are digests, `root` an address.

    `asked_at` is when the data should be fresh: as-of if it was asked for, or else now. Equal
    inputs give an equal `version`: see `registry.name_version`. `tune` is how many sets of
    parameters are tried before training. `schemas` are the sources' columns as they were read.
    """

    definition: Definition
    origin: str
    project: Path
    root: str
    as_of: datetime | None
    asked_at: datetime
    sources: dict[str, str]
    snapshot: str
    features: Features
    version: str
    tune: int = 0
    schemas: dict[str, dict[str, str]] = Field(default_factory=dict)
