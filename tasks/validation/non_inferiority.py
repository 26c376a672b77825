"""Non-inferiority: that a candidate is not surely worse than another by more than a margin.

Not responsible for the comparison itself, nor for how large the margin is.
"""

from tasks.core.checks import Check
from tasks.evaluation.interval import Interval, describe_gain


def judge_gain(name: str, what: str, gain: Interval, allowed: float) -> Check:
    """Pass what is not below the margin by the whole of its interval."""
    return Check(
        name=name,
        passed=gain.high >= -allowed,
        detail=f"{what}: {describe_gain(gain)}; refused if all of that is below {-allowed:.4f}",
        numbers={**gain.model_dump(), "margin": allowed},
    )
