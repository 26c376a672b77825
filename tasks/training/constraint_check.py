"""What names a feature for LightGBM, by name or by place, is held against the features there are.

A constraint on the wrong column looks like a guard and is none. Responsible for [training] monotone
and interactions, and for lists in [training.params] that have an item a feature.
"""

import re
from collections.abc import Iterator

from tasks.core.definition import Definition
from tasks.core.errors import DefinitionError, nearest
from tasks.features.transform import Features
from tasks.training.lightgbm_params import model_parameters, parameter_names, try_parameters

_BY_PLACE = {  # parameters with an item a feature, and the key that takes names instead
    "monotone_constraints": "[training] monotone",
    "feature_contri": "",
    "max_bin_by_feature": "",
    "cegb_penalty_feature_lazy": "",
    "cegb_penalty_feature_coupled": "",
}
_SETS = "interaction_constraints"


def check_constraints(definition: Definition, features: Features, origin: str) -> None:
    """Raise DefinitionError for a constraint that names no feature, or cannot hold for it."""
    training, names = definition.training, list(features.expressions)
    for key, given in _list_names(definition):
        if given not in names:
            raise DefinitionError(
                f"{origin}: {key}: there is no feature {given!r}; {nearest(given, names)}"
            )
    _check_monotone(definition, features, origin)
    _check_places(definition, features, origin)
    if training.monotone or training.interactions:
        params = model_parameters(definition, 2, names)
        try_parameters(params, definition.target.kind, origin, len(names))


def _list_names(definition: Definition) -> Iterator[tuple[str, str]]:
    training = definition.training
    yield from (("[training] monotone", name) for name in training.monotone)
    yield from (
        ("[training] interactions", name) for each in training.interactions for name in each
    )


def _check_monotone(definition: Definition, features: Features, origin: str) -> None:
    where = f"{origin}: [training] monotone"
    if definition.training.monotone and definition.target.kind == "multiclass":
        raise DefinitionError(
            f"{where}: a class's probability hangs on the others' too, so that it would not hold; "
            "leave it out, or make the target binary"
        )
    for name in definition.training.monotone:
        if name in features.categories:
            raise DefinitionError(
                f"{where}: {name!r} is a category, whose levels have no order; leave it out, or "
                "make it a number by CASE in [features]"
            )


def _check_places(definition: Definition, features: Features, origin: str) -> None:
    """Hold LightGBM's lists by place against the features: one too few shifts all after it."""
    names, training, count = parameter_names(), definition.training, len(features.expressions)
    ours = {"monotone_constraints": training.monotone, _SETS: training.interactions}
    for given, value in training.params.items():
        name, where = names.get(given, given), f"{origin}: [training.params] {given}"
        if ours.get(name):
            key = "monotone" if name != _SETS else "interactions"
            raise DefinitionError(f"{where}: [training] {key} says it already; keep that one")
        if name in _BY_PLACE:
            found = len(str(value).split(","))
            other = f", or name them in {_BY_PLACE[name]}" if _BY_PLACE[name] else ""
            if found != count:
                raise DefinitionError(
                    f"{where}: has {found} items, and there are {count} features; give one for "
                    f"each in the order of [features]{other}"
                )
        if name == _SETS and (
            beyond := [n for n in re.findall(r"\d+", str(value)) if int(n) >= count]
        ):
            raise DefinitionError(
                f"{where}: names place {beyond[0]}, and the last of {count} features is "
                f"{count - 1}; name features in [training] interactions instead"
            )
