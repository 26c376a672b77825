"""Backtest policies: when to retrain, judged by what was known at the time and nothing later.

`schedule` retrains at each calendar date and `never` does not. `drift` and `quality` follow the
monitor's own rules, once there are enough new labelled rows to learn from. Not responsible for how
rows are served and how a model is retrained (`flows/backtest_simulation`).
"""

from datetime import datetime
from itertools import pairwise
from typing import Literal, get_args

import polars as pl

from tasks.alarms.calibration import Calibration
from tasks.alarms.drift_decision import Alarm, decide, last_window, start_of, watch_served
from tasks.alarms.histograms import count_window
from tasks.core.columns import TARGET, TIME
from tasks.core.definition import Definition
from tasks.core.errors import DefinitionError, nearest
from tasks.features.transform import Features
from tasks.monitoring.new_data import count_needed

Policy = Literal["never", "schedule", "drift", "quality"]
POLICIES: tuple[Policy, ...] = get_args(Policy)


def parse_policies(text: str) -> tuple[Policy, ...]:
    """Read names with commas between them; DefinitionError for one that is no policy.

    >>> parse_policies("schedule, never, schedule")
    ('never', 'schedule')
    """
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
    """Decide on a champion's last window as the monitor does: the same rule, the same edges.

    `served` are its own raw rows, with `TIME` and `PREDICTION`. A champion that has not served for
    a window yet raises no alarm.
    """
    compared = last_window(now, definition.monitoring.window)
    edges = pairwise((compared.since, compared.begins, compared.until))
    parts = [served.filter(pl.col(TIME).is_between(*each, closed="right")) for each in edges]
    first = pl.concat(parts)[TIME].min()
    if not isinstance(first, datetime) or parts[1].is_empty():
        return ()
    before, window = (
        count_window(calibration.gauges, watch_served(definition, features, each)) for each in parts
    )
    recent = None if parts[0].is_empty() else before
    begun = start_of(first, compared.length)
    return decide(definition, calibration, compared, begun, recent, window).alarms


def has_enough_new(
    definition: Definition, learned: int, until: datetime, rows: pl.DataFrame, now: datetime
) -> bool:
    """Tell whether enough rows since a champion learned have a label by now."""
    matured = now - definition.target.matures_after
    new = rows.filter(pl.col(TIME) > until, pl.col(TIME) <= matured, pl.col(TARGET).is_not_null())
    return len(new) >= count_needed(definition, learned)
