"""The gate's look at [gate] naive: a model must surely beat what anybody could have said.

Not responsible for the naive predictions themselves (`evaluation.naive_predictions`).
"""

from collections.abc import Iterator

import polars as pl

from tasks.core.checks import Check
from tasks.core.definition import Definition
from tasks.evaluation.naive_predictions import NAIVE
from tasks.validation.champion_comparison import pair_predictions
from tasks.validation.superiority import judge_better

_SAID = 0.5  # of the holdout: what is silent on more is no prediction to be beaten


def judge_naive(definition: Definition, scored: pl.DataFrame) -> Iterator[Check]:
    """Ask that the candidate is better than each, on the rows of which it says something."""
    for name in definition.gate.naive:
        known = scored.filter(scored[NAIVE + name].is_not_null())
        said = f"says something of {len(known):,} of {len(scored):,} rows"
        numbers = {"rows": len(known), "of": len(scored)}
        if len(known) < max(_SAID * len(scored), definition.gate.rows):
            detail = f"{said}, too few to judge by; mend [gate] naive, or leave it out"
            yield Check(name=f"beats {name!r}", passed=False, detail=detail, numbers=dict(numbers))
            continue
        pair = pair_predictions(definition, known, known[NAIVE + name])
        check = judge_better(definition, f"beats {name!r}", pair)
        whole = len(known) == len(scored)
        yield check if whole else check.model_copy(update={"detail": f"{check.detail}; it {said}"})
