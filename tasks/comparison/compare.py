"""Two versions of a model, set against each other: what changed, and what that changes.

Responsible for the whole of a comparison, and for saying why answers cannot be compared where that
would not be honest. Not responsible for whether a version may be released: the gate compares a
candidate with its champion for that, by the same functions.
"""

from pathlib import Path

import numpy as np

from tasks.comparison.decisions import (
    Decisions,
    Differences,
    SliceChange,
    decide,
    measure_moves,
)
from tasks.comparison.moved_rows import MovedRow, describe_rows, name_scale, pick_rows
from tasks.comparison.recorded_changes import (
    RecordedChanges,
    list_all_changes,
    read_record,
)
from tasks.comparison.shared_rows import Answers, SharedRows, as_rows, find_shared
from tasks.core.definition import Definition, Frozen
from tasks.core.model_sections import Metric
from tasks.core.pinball import take_middle
from tasks.core.prediction_interval import INTERVAL
from tasks.evaluation.interval import Interval
from tasks.evaluation.metrics import DECIDED, Array, measure_one
from tasks.registry.versions import Published, read_json
from tasks.storage.store import Store, open_store
from tasks.training.published_model import PublishedModel, load
from tasks.training.recalibration import RECALIBRATION
from tasks.validation.champion_comparison import PairedPredictions, compare_pair, pair_predictions
from tasks.validation.champion_predictions import NotComparableError

_MODEL_FILES = ("model.txt", "features.json", "vocabulary.json", RECALIBRATION, INTERVAL)


class Side(Frozen):
    """A version by itself: `metrics` are of its own holdout, of so many `rows`."""

    version: str
    as_of: str | None
    published: str
    rows: int
    metrics: dict[Metric, float]


class MetricGain(Frozen):
    """A metric of both on the same rows; above 0, `gain` says that the version after is better."""

    metric: Metric
    before: float
    after: float
    gain: Interval


class SharedAnswers(Frozen):
    """What both say of `rows` rows that neither has seen, out of `held_out` of the newer one's.

    `reason` says why there are none; then all else is empty. `models` are whose answers they are:
    the released model's, or its twin's. Contributions are in the unit `scale`, or else
    `unexplained` says why there are none.
    """

    reason: str = ""
    rows: int = 0
    held_out: int = 0
    models: tuple[str, ...] = ()
    confidence: float | None = None
    metrics: tuple[MetricGain, ...] = ()
    decisions: Decisions | None = None
    differences: Differences | None = None
    slices: tuple[SliceChange, ...] = ()
    examples: tuple[MovedRow, ...] = ()
    scale: str = ""
    unexplained: str = ""


class Comparison(Frozen):
    """Two versions. `same_model`: the released models, and how they read rows, are the same bytes.

    `nothing_changed` says so of all that they are made of.
    """

    model: str
    before: Side
    after: Side
    same_model: bool
    nothing_changed: bool
    changes: RecordedChanges
    answers: SharedAnswers


def compare_versions(
    store: Store, before: Published, after: Published, folder: Path, project: Path
) -> Comparison:
    """Compare two versions; `project` is where relative sources are, if any must be read."""
    one, other = load(store, before), load(store, after)
    changes = list_all_changes(read_record(one), read_record(other))
    files = [[each.manifest.files.get(name) for name in _MODEL_FILES] for each in (before, after)]
    return Comparison(
        model=one.definition.name,
        before=_describe_side(one),
        after=_describe_side(other),
        same_model=files[0] == files[1],
        nothing_changed=changes.nothing,
        changes=changes,
        answers=compare_answers(one, other, folder, project),
    )


def compare_answers(
    before: PublishedModel, after: PublishedModel, folder: Path, project: Path
) -> SharedAnswers:
    """Compare what both say of the rows that neither has seen, or say why there are none."""
    turned = before.published.age > after.published.age
    older, newer = (after, before) if turned else (before, after)
    try:
        shared = find_shared(older, newer, folder, project)
    except NotComparableError as why:
        return SharedAnswers(reason=f"{older.version}, on the holdout of {newer.version}: {why}")
    sides = (shared.newer, shared.older) if turned else (shared.older, shared.newer)
    return measure_answers(shared, *sides)


def measure_answers(shared: SharedRows, before: Answers, after: Answers) -> SharedAnswers:
    """Measure both on the shared rows: metrics, decisions or values, slices, and typical rows."""
    definition, classes = shared.plan.definition, shared.newer.version.vocabulary.classes
    metrics = tuple(_compare_metrics(shared, before, after))
    sides = [(each.version.definition, each.predicted) for each in (before, after)]
    moves = measure_moves(sides[0], sides[1], shared.rows, classes, definition.gate.slice_rows)
    before, after = (take_one(definition, each) for each in (before, after))
    scale, unexplained = name_scale(before, after)
    sizes = _step(before.predicted, after.predicted)
    places = pick_rows(sizes, moves.moved != 0)
    return SharedAnswers(
        rows=len(shared.rows),
        held_out=shared.total,
        models=(before.model, after.model),
        confidence=definition.gate.confidence,
        metrics=metrics,
        decisions=moves.decisions,
        differences=moves.differences,
        slices=moves.slices,
        examples=describe_rows(shared, before, after, places, not unexplained)
        if len(places)
        else (),
        scale=scale,
        unexplained=unexplained,
    )


def take_one(definition: Definition, side: Answers) -> Answers:
    """Let the middle one stand for all quantiles: rows move by a number."""
    predicted = take_middle(definition.pinball, side.predicted)
    return side.model_copy(update={"predicted": predicted})


def _step(before: Array, after: Array) -> Array:
    """Give by how much the value moved, or the chance of a yes, or of the class said after."""
    if before.ndim == 1:
        return np.asarray(after - before)
    rows, said = np.arange(len(after)), after.argmax(axis=1)
    return np.asarray(after[rows, said] - before[rows, said])


def _compare_metrics(shared: SharedRows, before: Answers, after: Answers) -> list[MetricGain]:
    """Pair every metric; where it is of decisions, each side decides by its own threshold."""
    definition = shared.plan.definition
    rows = shared.rows.with_columns(as_rows(after.predicted))
    pair = pair_predictions(definition, rows, before.predicted)
    found = []
    for metric in definition.metrics:
        sides = pair
        if metric in DECIDED and definition.target.kind == "binary":
            said = {"theirs": _decided(before), "ours": _decided(after)}
            sides = pair.model_copy(update=said)
        found.append(
            MetricGain(
                metric=metric,
                before=_measure(definition, metric, sides, sides.theirs),
                after=_measure(definition, metric, sides, sides.ours),
                gain=compare_pair(definition, metric, sides),
            )
        )
    return found


def _decided(side: Answers) -> Array:
    """Give decisions as numbers that any threshold tells apart."""
    return decide(side.version.definition, side.predicted).astype(np.float64)


def _measure(
    definition: Definition, metric: Metric, pair: PairedPredictions, predicted: Array
) -> float:
    threshold = definition.threshold if definition.target.kind == "binary" else 0.5
    return measure_one(
        metric, pair.target, predicted, threshold, pair.weights, pair.costs, definition.own_loss
    )


def _describe_side(model: PublishedModel) -> Side:
    evaluation = read_json(open_store(model.root), model.published, "evaluation.json")
    return Side(
        version=model.version,
        as_of=model.lineage["as_of"],
        published=model.published.manifest.time.isoformat(),
        rows=evaluation["rows"],
        metrics=evaluation["metrics"]["holdout"],
    )
