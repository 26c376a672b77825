"""Policies: when to retrain, judged from what is known at a moment and from nothing later.

Owns the four rules. Refuses to know how rows are served and what a retrain is. `drift` and
`quality` ask for one only when enough rows with a label are new: else there is little to learn.
"""

from datetime import datetime
from typing import Literal, get_args

import polars as pl

from tasks.alarms import Alarm, Calibration, count_rows, judge
from tasks.definition import Definition
from tasks.errors import DefinitionError, nearest
from tasks.features import Features
from tasks.labels import TARGET, TIME
from tasks.quality import PREDICTED, Quality, judge_quality
from tasks.windows import PREDICTION

Policy = Literal["never", "schedule", "drift", "quality"]
POLICIES: tuple[Policy, ...] = get_args(Policy)

_WINDOWS = 4  # that alarms look back on, and that quality is judged by


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
    if len(last) < definition.monitoring.rows or served[TIME].min() > now - 0.9 * window:
        return ()
    before = served.filter(
        pl.col(TIME) <= now - window, pl.col(TIME) > now - (1 + _WINDOWS) * window
    )
    earlier = before[TIME].min()
    recent = None
    if isinstance(earlier, datetime) and earlier <= now - 1.9 * window:
        recent = count_rows(calibration, definition, features, before)
    return judge(calibration, recent, count_rows(calibration, definition, features, last))


def look_for_loss(
    definition: Definition, holdout: pl.DataFrame, served: pl.DataFrame, now: datetime
) -> Quality:
    """Compare the labels that came true in the last windows with the champion's holdout."""
    matured = now - definition.target.matures_after
    recent = pl.col(TIME).is_between(
        matured - _WINDOWS * definition.monitoring.window, matured, closed="right"
    )
    live = served.filter(recent).select(TIME, TARGET, pl.col(PREDICTION).alias(PREDICTED))
    return judge_quality(definition, live, holdout)


def has_enough_new(
    definition: Definition, learned: int, until: datetime, rows: pl.DataFrame, now: datetime
) -> bool:
    """Tell whether enough rows after what a champion learned have a label by now."""
    matured = now - definition.target.matures_after
    new = rows.filter(pl.col(TIME) > until, pl.col(TIME) <= matured, pl.col(TARGET).is_not_null())
    return len(new) >= definition.monitoring.new_rows * learned
