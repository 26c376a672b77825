"""Policies: when to retrain, judged from what is known at a moment and from nothing later.

Owns the four rules. Refuses to know how rows are served and what a retrain is. `drift` and
`quality` ask for one only when enough rows with a label are new: else there is little to learn.
"""

from datetime import datetime
from typing import Literal, get_args

import polars as pl

from tasks.alarms import Alarm, Calibration, count_rows, judge
from tasks.arrivals import count_needed
from tasks.definition import Definition
from tasks.errors import DefinitionError, nearest
from tasks.features import Features
from tasks.labels import TARGET, TIME
from tasks.metrics import compare, error_of, measure
from tasks.quality import as_array
from tasks.validation import group_rows
from tasks.windows import PREDICTION

Policy = Literal["never", "schedule", "drift", "quality"]
POLICIES: tuple[Policy, ...] = get_args(Policy)

YARDSTICK = "perennial.yardstick"  # the column that holds a quick model's answers

_MOST = 0.9  # of a window that a champion must have served to be judged by it
WINDOWS = 4  # that alarms look back on, and that quality is judged by


def parse_policies(text: str) -> tuple[Policy, ...]:
    """Read `never,schedule`; each once."""
    named = tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
    for name in named:
        if name not in POLICIES:
            raise DefinitionError(f"--policies: there is no {name!r}; {nearest(name, POLICIES)}")
    if not named:
        raise DefinitionError(f"--policies: name some of {', '.join(POLICIES)}")
    return tuple(policy for policy in POLICIES if policy in named)


def look_for_drift(
    definition: Definition,
    features: Features,
    calibration: Calibration,
    served: pl.DataFrame,
    now: datetime,
) -> tuple[Alarm, ...]:
    """Judge the last window of what a champion served; `served` are its own rows, with answers.

    A champion that has not served a window's rows yet is not judged.
    """
    window = definition.monitoring.window
    last = served.filter(pl.col(TIME) > now - window)
    began = served.filter(pl.col(TIME) <= now - _MOST * window)
    if len(last) < definition.monitoring.rows or began.is_empty():
        return ()
    before = served.filter(
        pl.col(TIME) <= now - window, pl.col(TIME) > now - (1 + WINDOWS) * window
    )
    recent = count_rows(calibration, definition, features, before)
    return judge(calibration, recent, count_rows(calibration, definition, features, last))


def look_for_loss(definition: Definition, served: pl.DataFrame, now: datetime) -> str:
    """Say in what a champion has fallen behind a yardstick on the labels that came true lately.

    `served` are rows that neither has learned from, with the answers of both. How hard rows are
    changes from month to month by more than a stale champion loses: against its own holdout that
    loss drowns, against a quick model of what is known by now it shows. It counts where it is
    surely beyond the margin by which the gate would refuse a candidate.
    """
    matured = now - definition.target.matures_after
    oldest = matured - WINDOWS * definition.monitoring.window
    inside = pl.col(TIME).is_between(oldest, matured, closed="right")
    rows = served.filter(inside, pl.col(TARGET).is_not_null())
    if len(rows) < definition.monitoring.rows or rows[TARGET].n_unique() < 2:
        return ""
    gate, target, answers = definition.gate, rows[TARGET].to_numpy(), as_array(rows[PREDICTION])
    own = measure(definition.target.kind, target, answers, definition.serving.threshold)
    margins = {definition.metric: gate.margin, definition.second_metric: gate.second_margin}
    for metric, margin in margins.items():
        gain = compare(
            metric,
            target,
            as_array(rows[YARDSTICK]),
            answers,
            group_rows(rows[TIME], definition.training.seed),
            confidence=gate.confidence,
            threshold=definition.serving.threshold,
            seed=definition.training.seed,
        )
        if gain.low > margin * error_of(metric, own[metric]):
            return (
                f"{metric} of a quick model is better by {gain.value:.4f} (interval {gain.low:.4f} "
                f"to {gain.high:.4f}) on {len(rows):,} rows"
            )
    return ""


def has_enough_new(
    definition: Definition, learned: int, until: datetime, rows: pl.DataFrame, now: datetime
) -> bool:
    """Tell whether enough rows after what a champion learned have a label by now."""
    matured = now - definition.target.matures_after
    new = rows.filter(pl.col(TIME) > until, pl.col(TIME) <= matured, pl.col(TARGET).is_not_null())
    return len(new) >= count_needed(definition, learned)
