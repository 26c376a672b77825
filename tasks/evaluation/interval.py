"""Confidence intervals: of a metric, or of how much one model is better than another."""

from typing import Self

from tasks.core.definition import Frozen


class Interval(Frozen):
    """A difference and its confidence interval; above 0 means that the first is better."""

    value: float
    low: float
    high: float

    def around(self, value: float) -> Self:
        """Give the same interval around another value."""
        low, high = (value + end - self.value for end in (self.low, self.high))
        return self.model_copy(update={"value": value, "low": low, "high": high})


def describe_gain(gain: Interval) -> str:
    """Say a gain in words.

    >>> describe_gain(Interval(value=-0.25, low=-0.3, high=-0.2))
    'worse by 0.2500 (interval -0.3000 to -0.2000)'
    """
    which = "better" if gain.value >= 0 else "worse"
    return f"{which} by {abs(gain.value):.4f} (interval {gain.low:+.4f} to {gain.high:+.4f})"
