"""Pinball: the loss of predicted quantiles, and which quantiles a model predicts.

Responsible for which metric and levels go with [target] quantiles, and which of them stands for all
where a single number is asked for. Not responsible for computing losses (`evaluation.metrics`).
"""

from typing import TYPE_CHECKING, Literal, NamedTuple

from tasks.core.deviances import Deviance

if TYPE_CHECKING:  # a definition is read by each command, which most need no NumPy for
    import numpy as np
    from numpy.typing import NDArray


class Pinball(NamedTuple):
    """The loss of quantiles at these levels (Koenker and Bassett 1978): its mean over all."""

    levels: tuple[float, ...]

    @property
    def metric(self) -> Literal["pinball_loss"]:
        return "pinball_loss"

    @property
    def middle(self) -> int:
        """The place of the level nearest to a half, the lower of two: the prediction as a number.

        >>> Pinball((0.1, 0.4, 0.6)).middle
        1
        """
        gaps = [round(abs(level - 0.5), 12) for level in self.levels]
        return gaps.index(min(gaps))


OwnLoss = Deviance | Pinball  # of a regression that does not go by squares


def take_middle(pinball: Pinball | None, predicted: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """Give one number of each row: its middle quantile, or what is predicted without any."""
    return predicted if pinball is None else predicted[:, pinball.middle]


def rearrange(pinball: Pinball | None, predicted: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """Let no two of a row's quantiles cross: its predictions in rising order.

    Rearrangement (Chernozhukov, Fernández-Val and Galichon 2010), which never makes the pinball
    loss larger. What has no quantiles stays as it is.
    """
    if pinball is None:
        return predicted
    ordered = predicted.copy()
    ordered.sort(axis=1)
    return ordered
