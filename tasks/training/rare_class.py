"""A rare class: leaves that hold enough of it, so that few positives do not make sure of anything.

LightGBM's own least sum of Hessians in a leaf is .001: with one positive in a thousand, a leaf of
twenty rows reaches it a few dozen times over, and one positive among them moves its log-odds by
whole units. The loss then rises from the first round on. XGBoost's least is 1 for the same reason
(`min_child_weight`).
"""

import numpy as np
import polars as pl

from tasks.core.columns import TARGET
from tasks.core.model_sections import TargetKind
from tasks.extraction.run_plan import Plan
from tasks.preparation.split import Prepared, SplitRole
from tasks.preparation.weights import read_weights, weight_columns
from tasks.training.datasets import Parameters

_RARE = 0.01
_LEAST_HESSIAN = 3.0  # about as many positives to expect in a leaf; found on made-up tables
_OWN = {"min_sum_hessian_in_leaf", "is_unbalance", "scale_pos_weight"}  # then it is left alone


def steady_leaves(params: Parameters, kind: TargetKind, share: float) -> Parameters:
    """Ask leaves to hold some of a class that is rarer than one in a hundred.

    >>> steady_leaves({}, "binary", 0.001), steady_leaves({}, "binary", 0.2)
    ({'min_sum_hessian_in_leaf': 3.0}, {})
    """
    if kind != "binary" or min(share, 1 - share) >= _RARE or _OWN & params.keys():
        return params
    return {**params, "min_sum_hessian_in_leaf": _LEAST_HESSIAN}


def steady_for(plan: Plan, prepared: Prepared, params: Parameters) -> Parameters:
    """Do so by the share of positives that training rows have, each by its weight."""
    kind = plan.definition.target.kind
    if kind != "binary":
        return params
    columns = [pl.col(name) for name in (TARGET, *weight_columns(plan))]
    rows = prepared.scan(SplitRole.FIT, SplitRole.STOP).select(columns).collect()
    share = float(np.average(rows[TARGET].to_numpy(), weights=read_weights(rows)))
    return steady_leaves(params, kind, share)
