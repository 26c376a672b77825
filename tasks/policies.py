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

_MOST = 0.9  # of a window that a champion must have served to be judged by it
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
    began = served.filter(pl.col(TIME) <= now - _MOST * window)
    if len(last) < definition.monitoring.rows or began.is_empty():
        return ()
    before = served.filter(
        pl.col(TIME) <= now - window, pl.col(TIME) > now - (1 + _WINDOWS) * window
    )
    recent = count_rows(calibration, definition, features, before)
    return judge(calibration, recent, count_rows(calibration, definition, features, last))


def look_for_loss(
    definition: Definition, holdout: pl.DataFrame, served: pl.DataFrame, now: datetime
) -> Quality | None:
    """Compare the labels that came true in the last windows with the champion's holdout.

    A loss is one that the gate would refuse a candidate for: on the first metric or the second,
    each by its own margin.
    """
    matured, gate = now - definition.target.matures_after, definition.gate
    oldest = matured - _WINDOWS * definition.monitoring.window
    recent = served.filter(pl.col(TIME) > oldest, pl.col(TIME) <= matured)
    live = recent.select(TIME, TARGET, pl.col(PREDICTION).alias(PREDICTED))
    margins = {definition.metric: gate.margin, definition.second_metric: gate.second_margin}
    for metric, margin in margins.items():
        own = gate.model_copy(update={"margin": margin})
        asked = definition.model_copy(update={"gate": own})
        quality = judge_quality(asked, live, holdout, metric)
        if quality.lost:
            return quality
    return None


def has_enough_new(
    definition: Definition, learned: int, until: datetime, rows: pl.DataFrame, now: datetime
) -> bool:
    """Tell whether enough rows after what a champion learned have a label by now."""
    matured = now - definition.target.matures_after
    new = rows.filter(pl.col(TIME) > until, pl.col(TIME) <= matured, pl.col(TARGET).is_not_null())
    return len(new) >= definition.monitoring.new_rows * learned
