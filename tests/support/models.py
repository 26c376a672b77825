"""A model that no registry holds, for tests of what predicts by one."""

import lightgbm

from tasks.core.definition import Definition
from tasks.features.transform import Features, Vocabulary
from tasks.registry.versions import Manifest, Published
from tasks.training.published_model import PublishedModel


def unpublished(
    definition: Definition,
    features: Features,
    booster: lightgbm.Booster,
    vocabulary: Vocabulary | None = None,
    version: str = "v1",
) -> PublishedModel:
    model = PublishedModel.model_construct(
        published=Published.model_construct(
            path=f"models/made/{version}", manifest=Manifest.model_construct()
        ),
        definition=definition,
        features=features,
        vocabulary=vocabulary or Vocabulary(categories={}),
    )
    model.__dict__["booster"] = booster  # where it is kept once it was read
    return model
