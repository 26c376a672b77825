"""Two models on the same holdout rows: a candidate and the champion, or a simpler model.

Responsible for pairing their predictions and for comparing them, as a whole and slice by slice. Not
responsible for how much of a difference is too much: the gate says that.
"""

import polars as pl

from tasks.core.columns import TARGET, TIME
from tasks.core.definition import Definition, Frozen
from tasks.core.model_sections import Metric
from tasks.evaluation.bootstrap import Interval, compare, compare_means, group_rows
from tasks.evaluation.evaluate import SLICE, measure_rows
from tasks.evaluation.metrics import Array, row_losses
from tasks.validation.champion_predictions import ChampionPredictions


class ChampionScores(Frozen):
    """How the champion did, and the candidate on the same rows: those the champion never saw."""

    version: str
    model: str
    rows: int
    metrics: dict[Metric, float]
    candidate: dict[Metric, float]


class PairedPredictions(Frozen, arbitrary_types_allowed=True):
    """Two models' predictions for the same rows; `groups` are what a resample draws: days."""

    rows: pl.DataFrame
    target: Array
    ours: Array
    theirs: Array
    groups: Array


def pair_predictions(
    definition: Definition, rows: pl.DataFrame, predicted: pl.Series | Array
) -> PairedPredictions:
    """Set the candidate's predictions for some rows against another's."""
    return PairedPredictions(
        rows=rows,
        target=rows[TARGET].to_numpy(),
        ours=rows["predicted"].to_numpy(),
        theirs=predicted.to_numpy() if isinstance(predicted, pl.Series) else predicted,
        groups=group_rows(rows[TIME], definition.training.seed),
    )


def describe_champion(
    definition: Definition, opponent: ChampionPredictions, pair: PairedPredictions
) -> ChampionScores:
    """Say how both did on the rows that the champion never saw."""
    return ChampionScores(
        version=opponent.version,
        model=opponent.model,
        rows=len(pair.target),
        metrics=measure_rows(definition, pair.target, pair.theirs),
        candidate=measure_rows(definition, pair.target, pair.ours),
    )


def compare_pair(definition: Definition, metric: Metric, pair: PairedPredictions) -> Interval:
    """Bootstrap by how much the candidate is better by a metric."""
    return compare(
        metric,
        pair.target,
        pair.ours,
        pair.theirs,
        pair.groups,
        confidence=definition.gate.confidence,
        threshold=definition.serving.threshold,
        seed=definition.training.seed,
        deviance=definition.deviance,
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
        row_losses(loss, target, each, deviance=definition.deviance)
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
        groups = group_rows(pair.rows[TIME].filter(pl.Series(inside)), seed)
        gain = compare_means(ours[inside], theirs[inside], groups, confidence=confidence)
        gains[name] = gain, gate.slice_margin * float(theirs[inside].mean())
    return gains


def loss_metric(definition: Definition) -> Metric:
    """Name the metric that is a mean loss over rows: slices can be compared by it."""
    if definition.deviance:
        return definition.deviance.metric
    return "rmse" if definition.target.kind == "regression" else "log_loss"
