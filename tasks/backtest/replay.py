"""The replay of a backtest: a period of history, what each policy did, and how well it predicted.

Responsible for the records of a backtest and for measuring them. Not responsible for training,
serving and deciding (`flows/backtest_simulation`).
"""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
from dateutil.relativedelta import relativedelta  # type: ignore[import-untyped]

from tasks.backtest.choice import Choice
from tasks.backtest.periods import FEWEST, Period, average_calibration
from tasks.backtest.policies import Policy
from tasks.core.columns import MATURED, PREDICTION, ROW, TARGET, TIME, WEIGHT
from tasks.core.definition import Definition, Frozen
from tasks.core.durations import parse_duration
from tasks.core.errors import DefinitionError
from tasks.core.model_sections import Metric
from tasks.evaluation.bootstrap import compare, group_rows
from tasks.evaluation.interval import Interval
from tasks.evaluation.metrics import DECIDED, Array, error_of
from tasks.evaluation.row_values import read_costs
from tasks.extraction.run_plan import Plan
from tasks.monitoring.holdout_comparison import measure_rows
from tasks.preparation.labels import label_rows, settle_target
from tasks.preparation.weights import counted_columns, read_weights, weigh_rows
from tasks.sources.query import collect, holding, open_table
from tasks.training.published_model import as_column
from tasks.validation.champion_comparison import decide_by

_MONTHS = re.compile(r"(\d{1,3})mo")
_MOST_DATES = 1_000


class Retrain(Frozen):
    """One retrain: why, and what became of the candidate.

    `gain` is by how much the promoted model did better than the one it replaced, on the same rows
    of the time after it, up to a calendar date; `worse` that it did surely worse, by more than the
    gate's margin.
    """

    as_of: datetime
    reason: str
    version: str | None
    promoted: bool
    refused: str
    seconds: float
    gain: Interval | None = None
    worse: bool = False


class Followed(Frozen):
    """What a policy would have come to, had the base rate been followed; `offsets` are by day."""

    periods: tuple[Period, ...]
    mean: dict[Metric, float]
    offsets: tuple[float, ...]

    @property
    def calibration(self) -> float | None:
        return average_calibration(self.periods)


class Track(Frozen):
    """What one policy came to. The first model, which all policies share, is no retrain.

    `broken` counts the looks at which data seemed broken, `watching` the seconds that training
    challengers took.
    """

    policy: Policy
    periods: tuple[Period, ...]
    mean: dict[Metric, float]
    retrains: tuple[Retrain, ...]
    broken: int
    watching: float
    followed: Followed | None = None

    @property
    def calibration(self) -> float | None:
        return average_calibration(self.periods)

    @property
    def coverage(self) -> float | None:
        """The mean coverage of intervals over periods; None where answers have none."""
        found = [each.coverage for each in self.periods if each.coverage is not None]
        return float(np.mean(found)) if found else None

    @property
    def promotions(self) -> int:
        return sum(each.promoted for each in self.retrains)

    @property
    def refusals(self) -> int:
        return len(self.retrains) - self.promotions

    @property
    def seconds(self) -> float:
        return self.watching + sum(each.seconds for each in self.retrains)


class Replay(Frozen):
    """A whole backtest. `metric` is the one that the definition's gate judges by first."""

    model: str
    start: datetime
    end: datetime
    every: str
    metric: Metric
    second: Metric
    first: str
    tracks: tuple[Track, ...]
    seconds: float
    choice: Choice | None = None


def list_dates(start: datetime, end: datetime, every: str) -> list[datetime]:
    """Give the calendar dates from start to end, each a month (`1mo`) or duration (`2w`) later.

    DefinitionError where there are none, or too many. A month's last day stays a last day:

    >>> [f"{each:%m-%d}" for each in list_dates(datetime(2013, 1, 31), datetime(2013, 4, 1), "1mo")]
    ['01-31', '02-28', '03-31', '04-01']
    """
    if start >= end:
        raise DefinitionError(f"--from {start:%Y-%m-%d} is not before --to {end:%Y-%m-%d}")
    months = _MONTHS.fullmatch(every)
    try:
        step = relativedelta(months=int(months[1])) if months else parse_duration(every)
    except ValueError as error:
        raise DefinitionError(f"--every {every!r}: {error}, or months as in '1mo'") from error
    if not step:
        raise DefinitionError(f"--every {every!r}: must be longer than nothing")
    dates = [start]
    while dates[-1] < end:
        if (count := len(dates)) > _MOST_DATES:
            raise DefinitionError(f"--every {every!r}: gives more than {_MOST_DATES:,} dates")
        dates.append(start + count * step)
    return [*dates[:-1], end]


def list_looks(dates: Sequence[datetime], step: timedelta) -> list[datetime]:
    """Give the moments at which policies look: every step, and every calendar date."""
    steps = int((dates[-1] - dates[0]) / step)
    looks = {dates[0] + count * step for count in range(1, steps + 1)}
    return sorted(looks | set(dates[1:]))


def read_history(plan: Plan, end: datetime) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Read the rows up to a time, in the order of their time, with what came true; and classes."""
    table = open_table(plan.definition, plan.project, plan.sources)
    assert table.time is not None, "a replay needs rows with a time"
    with holding(table, plan.sources):
        definition, as_of = plan.definition, plan.as_of
        target, classes = settle_target(definition, as_of, table.rows, plan.origin)
        rows = (
            label_rows(definition, as_of, table.rows, target)
            .filter(table.time <= end)
            .drop(MATURED)
        )
        return weigh_known(plan, collect(table, rows).sort(TIME, maintain_order=True)), classes


def weigh_known(plan: Plan, rows: pl.DataFrame) -> pl.DataFrame:
    """Add what each labelled row counts and what a mistake on it costs, where that is defined."""
    counted = counted_columns(plan)
    if not counted:
        return rows
    labelled = rows.lazy().filter(pl.col(TARGET).is_not_null())
    known = weigh_rows(plan, labelled).select(ROW, *counted).collect()
    return rows.join(known, on=ROW, how="left", maintain_order="left")


def compare_promoted(
    definition: Definition,
    rows: pl.DataFrame,
    promoted: Array,
    replaced: Array,
    threshold: float | None = None,
) -> tuple[Interval | None, bool]:
    """Compare a promoted model with the one it replaced, on rows that came true since.

    `threshold` is the replaced one's, where each version has chosen its own.
    """
    known = rows[TARGET].is_not_null()
    if WEIGHT in rows.columns:
        known &= (rows[WEIGHT] > 0).fill_null(False)
    labelled, inside = rows.filter(known), known.to_numpy()
    if len(labelled) < FEWEST or labelled[TARGET].n_unique() < 2:
        return None, False
    gate, metric, seed = definition.gate, definition.metric, definition.training.seed
    if threshold is not None and metric in DECIDED:
        promoted, replaced = (
            decide_by(definition.threshold, promoted),
            decide_by(threshold, replaced),
        )
    gain = compare(
        metric,
        labelled[TARGET].to_numpy(),
        promoted[inside],
        replaced[inside],
        group_rows(labelled[TIME], seed),
        confidence=gate.confidence,
        threshold=definition.threshold,
        seed=seed,
        weights=read_weights(labelled),
        costs=read_costs(definition, labelled),
        own_loss=definition.own_loss,
    )
    theirs = measure_rows(
        definition, labelled.with_columns(as_column(replaced[inside]).alias(PREDICTION))
    )
    return gain, gain.high < -gate.margin * error_of(metric, theirs[metric])


def describe_replay(replay: Replay, report: str) -> dict[str, Any]:
    """Give what `--json` prints."""
    described = replay.model_dump(mode="json", exclude={"tracks"})
    tracks = {
        track.policy: {
            **track.model_dump(mode="json", exclude={"policy"}),
            **({} if track.coverage is None else {"coverage": track.coverage}),
            "calibration": track.calibration,
            "followed": track.followed
            and {
                **track.followed.model_dump(mode="json"),
                "calibration": track.followed.calibration,
            },
            "promotions": track.promotions,
            "refusals": track.refusals,
            "seconds": round(track.seconds, 2),
        }
        for track in replay.tracks
    }
    return {**described, "policies": tracks, "report": report}
