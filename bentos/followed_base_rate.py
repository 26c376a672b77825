"""The base rate that is followed: a model answers by the newest correction that there is.

Responsible for which correction a model has. Not responsible for when one is looked for
(`hot_reload`), nor for how one is made (`monitoring.base_rate`).
"""

from dataclasses import replace

from bentos.model import Model
from tasks.registry.corrections import Correction, find_correction, list_corrections
from tasks.storage.store import Store


def list_followed(model: Model, store: Store) -> list[str]:
    """List the corrections of a model that follows its base rate."""
    follows = model.definition.serving.follow_base_rate is not None
    return list_corrections(store, model.name) if follows else []


def with_correction(model: Model, store: Store) -> Model:
    """Give a model its newest correction; StoreError where that is damaged."""
    if model.definition.serving.follow_base_rate is None:
        return model
    return correct(model, find_correction(store, model.name))


def correct(model: Model, correction: Correction | None) -> Model:
    """Give a model this correction, if it follows its base rate."""
    if model.definition.serving.follow_base_rate is None:
        return model
    offset = correction.offset if correction else 0.0
    return replace(model, correction=correction, predictor=model.predictor.shifted(offset))
