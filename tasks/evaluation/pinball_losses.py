"""Pinball losses of quantiles, and how far the shares of rows below them are from their levels.

By hand and by sums over groups of rows, because a bootstrap weighs rows anew: scikit-learn is the
oracle in the tests. Not responsible for which levels there are (`core.pinball`).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.core.pinball import OwnLoss, Pinball

Array = NDArray[Any]


def read_levels(own_loss: OwnLoss | None) -> Array:
    assert isinstance(own_loss, Pinball), "only quantiles have levels"
    return np.array(own_loss.levels)


def pinball_by_level(own_loss: OwnLoss | None, target: Array, predicted: Array) -> Array:
    """Compute each row's pinball loss at each level; shape (rows, levels).

    A single number of a row, as a naive prediction is, stands for each of its quantiles.
    """
    levels, quantiles = read_levels(own_loss), predicted.reshape(len(target), -1)
    miss = target[:, None] - quantiles
    return np.asarray(np.maximum(levels * miss, (levels - 1) * miss))


def pinball_losses(own_loss: OwnLoss | None, target: Array, predicted: Array) -> Array:
    """Compute each row's pinball loss, the mean over levels; shape (rows,)."""
    return np.asarray(pinball_by_level(own_loss, target, predicted).mean(axis=1))


def share_parts(
    own_loss: OwnLoss | None, target: Array, predicted: Array, every: Array, groups: Array
) -> Array:
    """Sum up in each group what coverage errors are made of; shape (groups, 1 + 2 levels).

    First what rows count; then by how much more of them than each level lie below its quantile;
    then the same of those that lie below it or on it.
    """
    levels, quantiles = read_levels(own_loss), predicted.reshape(len(target), -1)
    below, up_to = target[:, None] < quantiles, target[:, None] <= quantiles
    parts = [np.ones((len(target), 1)), below - levels, up_to - levels]
    columns = np.hstack([np.broadcast_to(each, (len(target), each.shape[1])) for each in parts]).T
    return np.stack([np.bincount(groups, weights=each * every) for each in columns], axis=1)


def share_gaps(sums: Array) -> Array:
    """Turn such sums into how far each level is from the share of rows; shape (sums, levels).

    A level between the share of rows below a quantile and that up to it is met: many rows may be
    equal to their quantile, as counts are.
    """
    below, up_to = np.split(sums[:, 1:] / sums[:, :1], 2, axis=1)
    return np.maximum(np.maximum(below, -up_to), 0)
