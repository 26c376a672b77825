"""Each version's own performance: what it answered, measured beside what its holdout gave.

Responsible for which versions' numbers may stand beside each other. Not responsible for the
champion's performance over time (`performance`).
"""

from collections.abc import Iterator
from typing import Any

import polars as pl
from pydantic import Field

from tasks.core.columns import PREDICTION, TARGET, TIME
from tasks.core.definition import Frozen
from tasks.core.errors import DefinitionError, StoreError
from tasks.core.model_sections import Metric
from tasks.evaluation.interval import Interval
from tasks.monitoring.context import MonitoringContext, ServedRows
from tasks.monitoring.ground_truth_join import GroundTruth
from tasks.monitoring.holdout_comparison import measure_interval, measure_rows
from tasks.registry.versions import find_version, read_json
from tasks.storage.store import Store, open_store
from tasks.training.published_model import read_definition

SPAN_ROWS = 100  # labelled rows that a window needs to be measured by itself


class Answered(Frozen):
    """The performance of one version's predictions, and what its holdout gave.

    `reason` says why that is not there: served rows carry no weights, and its holdout's did.
    """

    version: str
    rows: int
    labelled: int
    metrics: dict[Metric, float]
    surely: Interval | None = None
    holdout: dict[Metric, float]
    reason: str = Field(default="", exclude_if=lambda text: not text)


def describe_versions(
    watch: MonitoringContext,
    asked: ServedRows,
    outcomes: GroundTruth,
    promised: dict[Metric, float],
) -> Iterator[Answered]:
    """Measure each version's answers by themselves; the champion's holdout `promised` so much."""
    store = open_store(watch.root)
    for version in sorted(asked.rows):
        rows = inside_span(asked, outcomes.read(version))
        known = rows.drop_nulls([TARGET, PREDICTION])
        enough = len(known) >= SPAN_ROWS and _knows_classes(watch, known)
        yield Answered(
            version=version,
            rows=len(rows),
            labelled=len(known),
            metrics=measure_rows(watch.definition, known) if enough else {},
            surely=measure_interval(watch.definition, known) if enough else None,
            **_recall_holdout(store, watch, version, promised),
        )


def _recall_holdout(
    store: Store, watch: MonitoringContext, version: str, promised: dict[Metric, float]
) -> dict[str, Any]:
    """Recall a version's metrics; one that is gone or damaged need not be whole to be listed.

    The champion's, where its rows had weights, are measured anew without.
    """
    try:
        published = find_version(store, watch.definition.name, version)
        lineage = read_json(store, published, "lineage.json") if published else {}
        weight = read_definition(store, published).training.weight if published else None
    except (StoreError, DefinitionError):
        return {"holdout": {}}
    if weight is None:
        return {"holdout": lineage.get("metrics", {}).get("holdout", {})}
    if version == watch.version and promised:
        return {"holdout": promised}
    reason = (
        f"its holdout counts rows by [training] weight = {weight!r}, and served rows carry none"
    )
    return {"holdout": {}, "reason": reason}


def inside_span(asked: ServedRows, answers: pl.DataFrame) -> pl.DataFrame:
    return answers.filter(pl.col(TIME) > asked.since, pl.col(TIME) <= asked.until)


def _knows_classes(watch: MonitoringContext, rows: pl.DataFrame) -> bool:
    """Tell whether answers are about as many classes, or quantiles, as the champion's."""
    if not isinstance(rows.schema[PREDICTION], pl.List):
        return True
    classes = len(watch.definition.target.quantiles or watch.champion.vocabulary.classes)
    return bool((rows[PREDICTION].list.len() == classes).all())
