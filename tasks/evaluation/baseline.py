"""The baseline: what training rows say on the whole, which a model must surely beat.

Not responsible for whether a candidate does: the gate is.
"""

import numpy as np

from tasks.core.columns import TARGET
from tasks.core.pinball import Pinball
from tasks.evaluation.metrics import Array
from tasks.evaluation.row_values import read_weights
from tasks.extraction.run_plan import Plan
from tasks.preparation.split import Prepared, SplitRole
from tasks.preparation.weights import weight_columns


def predict_baseline(plan: Plan, prepared: Prepared, rows: int) -> Array:
    """Predict for every row what training rows say on the whole: shares, the mean or quantiles."""
    columns = (TARGET, *weight_columns(plan))
    seen = prepared.scan(SplitRole.FIT, SplitRole.STOP).select(columns).collect()
    weights = read_weights(seen)
    if pinball := plan.definition.pinball:
        return np.tile(find_quantiles(seen[TARGET].to_numpy(), pinball, weights), (rows, 1))
    if plan.definition.target.kind != "multiclass":
        return np.full(rows, np.average(seen[TARGET].to_numpy(), weights=weights))
    classes, width = seen[TARGET].to_numpy().astype(np.int64), len(prepared.vocabulary.classes)
    counts = np.bincount(classes, weights=weights, minlength=width)
    return np.tile(counts / counts.sum(), (rows, 1))


def find_quantiles(target: Array, pinball: Pinball, weights: Array | None = None) -> Array:
    """Give the quantiles of values as they are, whatever is known of their rows."""
    return np.asarray(np.quantile(target, pinball.levels, weights=weights, method="inverted_cdf"))
