"""Two models on the same holdout rows: a candidate and the champion, or a simpler model.

Responsible for pairing their predictions and for comparing them, as a whole and slice by slice. Not
responsible for how much of a difference is too much: the gate says that.
"""

from typing import Self

import numpy as np
import polars as pl

from tasks.core.columns import TARGET
from tasks.core.definition import Definition, Frozen
from tasks.core.model_sections import Metric
from tasks.evaluation.bootstrap import compare, compare_means
from tasks.evaluation.interval import Interval
from tasks.evaluation.metrics import DECIDED, Array, Costs, row_losses
from tasks.evaluation.row_groups import group_widely
from tasks.evaluation.row_metrics import loss_metric, measure_rows
from tasks.evaluation.row_values import pick_costs, read_costs
from tasks.evaluation.slices import SLICE
from tasks.preparation.weights import read_weights
from tasks.validation.champion_predictions import ChampionPredictions


class ChampionScores(Frozen):
    """How the champion did, and the candidate on the same rows: those the champion never saw."""

    version: str
    model: str
    rows: int
    metrics: dict[Metric, float]
    candidate: dict[Metric, float]


class PairedPredictions(Frozen, arbitrary_types_allowed=True):
    """Two models' predictions for the same rows; `groups` are what a resample draws.

    `weights` say how much each row counts, all alike without. `threshold` is from which probability
    on the other's answer is yes, where that is not the definition's.
    """

    rows: pl.DataFrame
    target: Array
    ours: Array
    theirs: Array
    groups: Array
    weights: Array | None = None
    costs: Costs | None = None
    threshold: float | None = None

    def decide(self, threshold: float) -> Self:
        """Give answers as 0 and 1, each side's by its own threshold."""
        other = threshold if self.threshold is None else self.threshold
        decided = {"ours": decide_by(threshold, self.ours), "theirs": decide_by(other, self.theirs)}
        return self.model_copy(update=decided)

    def only(self, inside: pl.Series) -> Self:
        """Take some of the rows; their groups stay those of all rows."""
        chosen = inside.to_numpy()
        arrays = {
            name: None if (value := getattr(self, name)) is None else value[chosen]
            for name in ("target", "ours", "theirs", "groups", "weights")
        }
        costs = pick_costs(self.costs, chosen)
        return self.model_copy(update={**arrays, "rows": self.rows.filter(inside), "costs": costs})


def decide_by(threshold: float, predicted: Array) -> Array:
    """Give answers as 0.0 and 1.0, which any threshold between tells apart."""
    return np.asarray(predicted >= threshold, np.float64)


def pair_predictions(
    definition: Definition,
    rows: pl.DataFrame,
    predicted: pl.Series | Array,
    threshold: float | None = None,
) -> PairedPredictions:
    """Set the candidate's predictions for some rows against another's, and its threshold if any."""
    ours, target = rows["predicted"].to_numpy(), rows[TARGET].to_numpy()
    theirs = predicted.to_numpy() if isinstance(predicted, pl.Series) else predicted
    loss = loss_metric(definition)
    own_loss = definition.own_loss
    one, other = (row_losses(loss, target, each, own_loss=own_loss) for each in (ours, theirs))
    return PairedPredictions(
        rows=rows,
        target=target,
        ours=ours,
        theirs=theirs,
        groups=group_widely(rows, (one, other), definition.training.seed),
        weights=read_weights(rows),
        costs=read_costs(definition, rows),
        threshold=threshold,
    )


def measure_sides(
    definition: Definition, pair: PairedPredictions
) -> tuple[dict[Metric, float], dict[Metric, float]]:
    """Compute every metric of both, each side by its own threshold."""
    other = definition.settle(pair.threshold)
    return measure_rows(definition, pair.rows, pair.ours), measure_rows(
        other, pair.rows, pair.theirs
    )


def describe_champion(
    definition: Definition, opponent: ChampionPredictions, pair: PairedPredictions
) -> ChampionScores:
    """Say how both did on the rows that the champion never saw."""
    ours, theirs = measure_sides(definition, pair)
    return ChampionScores(
        version=opponent.version,
        model=opponent.model,
        rows=len(pair.target),
        metrics=theirs,
        candidate=ours,
    )


def compare_pair(definition: Definition, metric: Metric, pair: PairedPredictions) -> Interval:
    """Bootstrap by how much the candidate is better by a metric."""
    apart = pair.threshold is not None and metric in DECIDED
    sides = pair.decide(definition.threshold) if apart else pair
    return compare(
        metric,
        pair.target,
        sides.ours,
        sides.theirs,
        pair.groups,
        confidence=definition.gate.confidence,
        threshold=definition.threshold,
        seed=definition.training.seed,
        weights=pair.weights,
        costs=pair.costs,
        own_loss=definition.own_loss,
    )


def compare_slices(
    definition: Definition, pair: PairedPredictions
) -> dict[str, tuple[Interval, float]]:
    """Compare losses on each slice with enough rows; with each gain goes how much it may lose.

    Intervals are sure of all slices at once: of many, some look worse by chance alone.
    """
    gate, seed = definition.gate, definition.training.seed
    loss, target = loss_metric(definition), pair.target
    ours, theirs = (
        row_losses(loss, target, each, own_loss=definition.own_loss)
        for each in (pair.ours, pair.theirs)
    )
    slices = {
        f"{column.removeprefix(SLICE)} = {level}": (pair.rows[column] == level).to_numpy()
        for column in pair.rows.columns
        if column.startswith(SLICE)
        for level, rows in pair.rows[column].value_counts().sort(column).iter_rows()
        if rows >= gate.slice_rows
    }
    confidence = 1 - (1 - gate.confidence) / max(len(slices), 1)
    gains = {}
    for name, inside in slices.items():
        rows, losses = pair.rows.filter(pl.Series(inside)), (ours[inside], theirs[inside])
        counts = None if pair.weights is None else pair.weights[inside]
        groups = group_widely(rows, losses, seed)
        gain = compare_means(*losses, groups, confidence=confidence, weights=counts)
        mean = float(np.average(theirs[inside], weights=counts))
        gains[name] = gain, gate.slice_margin * mean
    return gains
