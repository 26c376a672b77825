"""The base rate followed in a replay: what answers would have been, had it been followed.

Day by day, by the labels that had matured by then, with the monitor's own rule. Not responsible for
who answered: policies judge by the answers without it.
"""

from datetime import datetime, timedelta

import polars as pl

from tasks.core.columns import PREDICTION, TARGET, TIME
from tasks.core.definition import Definition
from tasks.evaluation.metrics import Array
from tasks.monitoring.base_rate import REACH, bound_offset, is_enough, weigh_answers
from tasks.training.recalibration import shift_odds

_EVERY = timedelta(days=1)


def follow(
    definition: Definition, answered: pl.DataFrame, start: datetime, end: datetime
) -> tuple[Array, tuple[float, ...]]:
    """Give a lane's answers with the base rate followed, and the offset of each day.

    `answered` are rows in the order of their time, with target and prediction.
    """
    half_life, matures = definition.serving.follow_base_rate, definition.target.matures_after
    assert half_life is not None, "no base rate is followed"
    times, plain = answered[TIME], answered[PREDICTION].to_numpy()
    given, offset, offsets = plain.copy(), 0.0, list[float]()
    now = start
    while now < end:
        until = now - matures
        known = answered[_between(times, max(until - REACH * half_life, start), until)]
        labelled = known.filter(pl.col(TARGET).is_not_nan())
        if is_enough(labelled[TARGET].to_numpy()):
            offset = bound_offset(weigh_answers(labelled, until, half_life))
        rows = _between(times, now, min(now + _EVERY, end))
        given[rows] = shift_odds(plain[rows], offset) if offset else plain[rows]
        offsets.append(offset)
        now += _EVERY
    return given, tuple(offsets)


def _between(times: pl.Series, start: datetime, end: datetime) -> slice:
    return slice(*(int(times.search_sorted(each, side="right")) for each in (start, end)))
