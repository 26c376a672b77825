"""The data contract that is proposed: limits somewhat wider than what was seen.

Not responsible for checking data: `analysis.data_contract` is.
"""

import math
from collections.abc import Iterable, Iterator

from tasks.analysis.null_and_range_checks import type_of
from tasks.init.column_statistics import ColumnStats
from tasks.init.column_survey import ColumnSurvey
from tasks.init.feature_selection import Feature
from tasks.init.key_discovery import CHANCE, RowKey
from tasks.init.target_kind import TargetSpec
from tasks.init.toml_syntax import NAME_WIDTH, bare_key, comment, inline_table, lay_out

_ROOM, _MOST_LACKING = 0.05, 0.4


def write_checks(survey: ColumnSurvey, target: TargetSpec, key: RowKey) -> Iterator[str]:
    """Write [checks]: half the rows, three times the odds of the label, and what was seen else."""
    yield "[checks]"
    what = "The data contract: what breaks it stops a run. Wide on purpose; tighten it."
    yield from comment(what)
    future, rate = survey.event.future, target.rate
    seen = survey.rows - future
    lines = [(f"rows = {_round_down(seen / 2):_}", f"{seen:,} were seen")]
    if key.repeated:
        allowed = _allow(key.repeated, CHANCE)
        lines.append((f"duplicates = {allowed}", "rows that may repeat the key"))
    lacking = 1 - target.labelled / survey.rows
    if lacking > _MOST_LACKING:
        lines.append((f"unlabelled = {_allow(lacking, _ROOM)}", f"{lacking:.1%} have no target"))
    if rate is not None:
        odds = rate / (1 - rate)
        low, high = (each / (1 + each) for each in (odds / 3, odds * 3))
        lines.append((f"label_rate = [{low:.2g}, {high:.2g}]", f"{rate:.2g} were true"))
    if future:
        lines.append(("allow_future = true", f"{future:,} rows are later than now"))
    if survey.event.column:
        lines.append(('# max_age = "7d"', "how old the newest row may be"))
    yield from lay_out(lines)


def write_columns(survey: ColumnSurvey, features: Iterable[Feature]) -> Iterator[str]:
    """Write [checks.columns]: a rule for each column that a feature is made of."""
    yield "[checks.columns]"
    kept = [feature for feature in features if not (feature.reason or feature.is_part)]
    used = dict.fromkeys(feature.column for feature in kept)
    width = min(NAME_WIDTH, max((len(bare_key(column)) for column in used), default=0))
    for column in used:
        yield f"{bare_key(column):<{width}} = {_write_rule(survey.facts[column])}"


def _write_rule(fact: ColumnStats) -> str:
    kind = type_of(fact.dtype)
    rule: dict[str, object] = {"type": kind}
    nulls = _allow(fact.nulls / fact.rows, _ROOM)
    rule |= {"nulls": nulls} if nulls < 1 else {}
    infinite = _allow(fact.infinite / fact.rows, _ROOM)
    rule |= {"infinite": infinite} if fact.infinite else {}
    if limits := _widen(fact):
        rule |= {"min": limits[0], "max": limits[1], "outside": infinite}
    if fact.levels and kind == "text":
        rule |= {"unseen": _ROOM, "values": tuple(sorted(fact.levels))}
    return inline_table(rule)


def _allow(share: float, room: float) -> float:
    return min(1.0, math.ceil((share * 1.25 + room) * 100) / 100)


def _widen(fact: ColumnStats) -> tuple[float, float] | None:
    """Give limits as far out again as values are spread; what counts from 0 stays above it."""
    if fact.least is None or fact.greatest is None:
        return None
    spread = fact.greatest - fact.least or abs(fact.least) or 1.0
    limits = fact.least - spread, fact.greatest + spread
    if fact.least == 0 or (fact.dtype.is_integer() and fact.least > 0):
        limits = max(0.0, limits[0]), limits[1]
    if not all(map(math.isfinite, (*limits, spread))):
        return None
    step = 10.0 ** (math.floor(math.log10(spread)) - 1)
    low, high = math.floor(limits[0] / step) * step, math.ceil(limits[1] / step) * step
    return _shorten(low), _shorten(high)


def _shorten(number: float) -> float:
    short = float(f"{number:.6g}")
    return int(short) if short.is_integer() and abs(short) < 1e15 else short


def _round_down(number: float) -> int:
    step = 10 ** max(0, math.floor(math.log10(max(1.0, number))) - 1)
    return max(1, int(number // step * step))
