"""Monotone and interaction constraints: from features' names to the places that LightGBM asks for.

Not responsible for whether the names are right: `constraint_check` says so before anything is read.
"""

from collections.abc import Sequence

from tasks.core.model_sections import Training
from tasks.training.datasets import Parameters


def constraint_parameters(training: Training, names: Sequence[str]) -> Parameters:
    """Write constraints as LightGBM's parameters; `names` are all features in their order.

    Features in no set of `interactions` are a set of their own: LightGBM would never split by them.

    >>> training = Training(monotone={"age": 1}, interactions=(("age", "income"),))
    >>> constraint_parameters(training, ["income", "age", "region", "kind"])
    {'monotone_constraints': '0,1,0,0', 'interaction_constraints': '[1,0],[2,3]'}
    """
    params: Parameters = {}
    if training.monotone:
        params["monotone_constraints"] = ",".join(
            str(training.monotone.get(name, 0)) for name in names
        )
    if training.interactions:
        places = {name: place for place, name in enumerate(names)}
        listed = {name for each in training.interactions for name in each}
        rest = [name for name in names if name not in listed]
        sets = [*training.interactions, *([rest] if rest else [])]
        params["interaction_constraints"] = ",".join(
            f"[{','.join(str(places[name]) for name in each)}]" for each in sets
        )
    return params
