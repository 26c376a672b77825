"""Policies: when to retrain, judged from what is known at a moment and from nothing later.

Owns the four rules. Refuses to know how rows are served and what a retrain is. `drift` and
`quality` ask for one only when enough rows with a label are new: else there is little to learn.
"""

from datetime import datetime
from typing import Literal, get_args

import polars as pl

from tasks.alarms.detector import Alarm, Calibration
from tasks.alarms.drift_decision import decide, look_at, start_of, watch_served
from tasks.alarms.histograms import RECENT, count_window
from tasks.core.columns import CHALLENGER_PREDICTION, PREDICTION, TARGET, TIME
from tasks.core.definition import Definition
from tasks.core.errors import DefinitionError, nearest
from tasks.evaluation.bootstrap import compare, group_rows
from tasks.evaluation.metrics import error_of, measure
from tasks.features.transform import Features
from tasks.monitoring.holdout_comparison import as_array
from tasks.monitoring.new_data import count_needed

Policy = Literal["never", "schedule", "drift", "quality"]
POLICIES: tuple[Policy, ...] = get_args(Policy)


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
    """Judge a champion's last window as the monitor does; `served` are its own rows, with answers.

    A champion that has not served a window's rows yet is not judged.
    """
    look = look_at(now, definition.monitoring.window)
    rows = served.filter(pl.col(TIME) > look.since, pl.col(TIME) <= look.until)
    first, last = rows[TIME].min(), rows.filter(pl.col(TIME) > look.begins)
    if not isinstance(first, datetime) or last.is_empty():
        return ()
    before = rows.filter(pl.col(TIME) <= look.begins)
    counted = [
        count_window(calibration.gauges, watch_served(definition, features, each))
        for each in (before, last)
    ]
    recent = None if before.is_empty() else counted[0]
    begun = start_of(first, look.length)
    return decide(definition, calibration, look, begun, recent, counted[1]).alarms


def look_for_loss(definition: Definition, served: pl.DataFrame, now: datetime) -> str:
    """Say in what a champion has fallen behind a yardstick on the labels that came true lately.

    `served` are rows that neither has learned from, with the answers of both. How hard rows are
    changes from month to month by more than a stale champion loses: against its own holdout that
    loss drowns, against a quick model of what is known by now it shows. It counts where it is
    surely beyond the margin by which the gate would refuse a candidate.
    """
    matured = now - definition.target.matures_after
    oldest = matured - RECENT * definition.monitoring.window
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
            as_array(rows[CHALLENGER_PREDICTION]),
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
