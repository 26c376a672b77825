"""How good predictions turned out, once it is known what came true, against what was promised.

Owns when quality counts as lost: surely worse than on the holdout, by more than the gate's margin.
Frames in, small frozen values out. Refuses to know where predictions were kept and how labels came
to them, and to retrain anything.
"""

from collections.abc import Iterable

import numpy as np
import polars as pl

from tasks.definition import Definition, Frozen, Metric
from tasks.evaluation import SLICE
from tasks.labels import TARGET, TIME
from tasks.metrics import Array, Interval, compare_apart, error_of, measure
from tasks.validation import group_rows

PREDICTED = "predicted"

_FEWEST_OF_A_CLASS = 20
_SLICE_LEVELS = 20


class Quality(Frozen):
    """One metric on rows whose label is known, and on the holdout that promised it.

    `gain` is by how much the rows did better than the holdout, and is below 0 where they did worse.
    `lost` means that all of it lies below `-allowed`. Without `gain`, `reason` says why nothing
    can be said.
    """

    metric: Metric
    rows: int
    value: float | None = None
    holdout: float | None = None
    gain: Interval | None = None
    allowed: float = 0.0
    lost: bool = False
    reason: str = ""

    @property
    def detail(self) -> str:
        if self.gain is None:
            return f"{self.metric} on {self.rows:,} rows says nothing yet: {self.reason}"
        gain = self.gain
        return (
            f"{self.metric} {self.value:.4f} on {self.rows:,} rows against {self.holdout:.4f} on "
            f"the holdout: better by {gain.value:+.4f} (interval {gain.low:+.4f} to "
            f"{gain.high:+.4f}); lost if all of that is below {-self.allowed:.4f}"
        )


class SliceQuality(Frozen):
    """The quality of the rows in which a slice's expression has one value."""

    slice: str
    level: str
    quality: Quality


def judge_quality(
    definition: Definition, live: pl.DataFrame, holdout: pl.DataFrame, metric: Metric | None = None
) -> Quality:
    """Compare predictions whose labels are known with those of the holdout.

    Both frames hold a row's `TIME`, `TARGET` and `PREDICTED` (a number, or each class's
    probability); rows without a target are left out. The two are resampled apart, by days.
    """
    chosen = metric or definition.metric
    least = definition.monitoring.rows
    return _judge(definition, chosen, live, holdout, definition.gate.margin, least)


def judge_slices(
    definition: Definition, live: pl.DataFrame, holdout: pl.DataFrame
) -> tuple[SliceQuality, ...]:
    """Compare each level of the slices (`SLICE` columns) that has enough rows on both sides.

    Intervals are sure of all of them at once: of many, some look worse by chance alone.
    """
    gate, found = definition.gate, list(_slices(definition, live, holdout))
    confidence = 1 - (1 - gate.confidence) / max(len(found), 1)
    sure = definition.model_copy(
        update={"gate": gate.model_copy(update={"confidence": min(confidence, 0.9999)})}
    )
    return tuple(
        SliceQuality(
            slice=column.removeprefix(SLICE),
            level=level,
            quality=_judge(
                sure,
                definition.metric,
                live.filter(pl.col(column) == level),
                holdout.filter(pl.col(column) == level),
                gate.slice_margin,
                gate.slice_rows,
            ),
        )
        for column, level in found
    )


def as_array(predicted: pl.Series) -> Array:
    """Give predictions as numbers, shape (rows,), or (rows, classes) for several classes."""
    if isinstance(predicted.dtype, pl.List):
        return np.array(predicted.to_list(), dtype=np.float64)
    return predicted.to_numpy()


def measure_rows(definition: Definition, rows: pl.DataFrame) -> dict[Metric, float]:
    """Compute every metric of rows with a target; there must be some."""
    target, predicted = rows[TARGET].to_numpy(), as_array(rows[PREDICTED])
    return measure(definition.target.kind, target, predicted, definition.serving.threshold)


def _slices(
    definition: Definition, live: pl.DataFrame, holdout: pl.DataFrame
) -> Iterable[tuple[str, str]]:
    for column in sorted(name for name in live.columns if name.startswith(SLICE)):
        if column not in holdout.columns:
            continue
        counts = live[column].value_counts().sort(["count", column], descending=[True, False])
        for level, rows in counts.head(_SLICE_LEVELS).iter_rows():
            if level is not None and rows >= definition.gate.slice_rows:
                yield column, level


def _judge(
    definition: Definition,
    metric: Metric,
    live: pl.DataFrame,
    holdout: pl.DataFrame,
    margin: float,
    least: int,
) -> Quality:
    sides = [each.drop_nulls([TARGET, PREDICTED]).sort(TIME) for each in (live, holdout)]
    rows = len(sides[0])
    for name, side in zip(("", " in the holdout"), sides, strict=True):
        if reason := _too_few(definition, side, least if not name else definition.gate.slice_rows):
            return Quality(metric=metric, rows=rows, reason=reason + name)
    ours, theirs = (measure_rows(definition, side)[metric] for side in sides)
    gate, seed = definition.gate, definition.training.seed
    one, other = (
        (side[TARGET].to_numpy(), as_array(side[PREDICTED]), group_rows(side[TIME], seed))
        for side in sides
    )
    gain = compare_apart(
        metric,
        one,
        other,
        confidence=gate.confidence,
        threshold=definition.serving.threshold,
        seed=seed,
    )
    allowed = margin * error_of(metric, theirs)
    return Quality(
        metric=metric,
        rows=rows,
        value=ours,
        holdout=theirs,
        gain=gain,
        allowed=allowed,
        lost=gain.high < -allowed,
    )


def _too_few(definition: Definition, rows: pl.DataFrame, least: int) -> str:
    """Say why rows are too few to be judged, or nothing where they are enough."""
    if len(rows) < least:
        return f"{least:,} rows with a label are needed"
    if definition.target.kind == "binary":
        positive = int(rows[TARGET].sum())
        if min(positive, len(rows) - positive) < _FEWEST_OF_A_CLASS:
            return f"{_FEWEST_OF_A_CLASS} rows of each class are needed"
    return ""
