"""Series: a table with a time, a number and little else, and what was known of it by then.

Drafted are lags and rolling means by feature tables without an entity, beside the naive predictions
that a model has to beat: the same as last time, and as a season ago. Not responsible for how they
are written (`toml_writer`).
"""

from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise

from tasks.core.definition import Frozen
from tasks.core.durations import write_duration
from tasks.init.column_survey import ColumnSurvey
from tasks.init.feature_selection import Feature
from tasks.init.names import write_column
from tasks.init.target_kind import TargetSpec
from tasks.init.toml_syntax import quote
from tasks.sources.query import collect

_FEWEST, _MOST_OTHERS = 200, 3  # rows; columns besides time and target
_REGULAR, _STRETCH = 0.9, 1.25  # share of the gaps that are one step, and how long a step may be
_SEASONS_SEEN = 4  # how many times the history must hold a lag
_MINUTE = timedelta(minutes=1)
_DAY, _WEEK, _MONTH, _YEAR = (timedelta(days=days) for days in (1, 7, 28, 365))


class Lag(Frozen):
    """One feature table: the latest value known `after` its time, or the mean `over` a while."""

    name: str
    sql: str
    after: timedelta
    over: timedelta | None = None
    naive: str = ""

    @property
    def said(self) -> str:
        if self.over is not None:
            return f"mean over {write_duration(self.over - self.after)} that was known by then"
        return f"the value {write_duration(self.after)} before, or the latest one before that"


class Series(Frozen):
    """A series that goes on by one `step` after another, and its lags."""

    step: timedelta
    lags: tuple[Lag, ...]
    has_years: bool


def find_series(
    survey: ColumnSurvey, target: TargetSpec, features: Sequence[Feature]
) -> Series | None:
    """Find out whether a table is a series that lags can be drafted for; None where it is none."""
    time, event = survey.event.column, survey.facts.get(survey.event.column or "")
    others = {each.column for each in features if not each.reason} - {time}
    if time is None or event is None or target.kind != "regression" or len(others) > _MOST_OTHERS:
        return None
    if event.distinct < max(_FEWEST, survey.rows) or time in survey.inferred.conversions:
        return None
    assert survey.table.time is not None
    moments = collect(survey.table, survey.table.rows.select(at=survey.table.time))["at"]
    times = [each for each in moments.sort() if each is not None]
    gaps = sorted(later - earlier for earlier, later in pairwise(times))
    step, span = gaps[len(gaps) // 20], times[-1] - times[0]
    regular = sum(step <= gap <= step * _STRETCH for gap in gaps) / len(gaps)
    if step < _MINUTE or step % _MINUTE or regular < _REGULAR:
        return None
    lags = _list_lags(step, span, survey, target)
    return Series(step=step, lags=lags, has_years=step < _YEAR < span)


def describe_lags(series: Series, survey: ColumnSurvey) -> tuple[Feature, ...]:
    """Give the lags as features, and the day of the year where the history holds years."""
    column, time = survey.target, survey.event.column
    assert time is not None
    found = [
        Feature(column=column, name=each.name, sql=each.name, note=each.said)
        for each in series.lags
    ]
    if series.has_years and "day_of_year" not in survey.table.columns:
        sql = f"DATE_PART('doy', {write_column(time, survey.table.columns)})"
        found.append(Feature(column=time, name="day_of_year", sql=sql, is_part=True))
    return tuple(found)


def _list_lags(
    step: timedelta, span: timedelta, survey: ColumnSurvey, target: TargetSpec
) -> tuple[Lag, ...]:
    """List lags by a step and by seasons that are longer, and means over a few and many steps."""
    sql = survey.inferred.conversions.get(survey.target, target.sql)
    seasons = {"day": _DAY, "week": _WEEK, "year": _YEAR}
    fit = {
        name: each
        for name, each in seasons.items()
        if each > step and span >= _SEASONS_SEEN * each and not (name == "year" and step < _DAY)
    }
    lags = [Lag(name="last", sql=sql, after=step, naive="same as last time")]
    lags += [
        Lag(name=f"last_{name}", sql=sql, after=each, naive=f"same as last {name}")
        for name, each in fit.items()
    ]
    few, many = (7, 28) if step >= _DAY else (24, 168)
    if step >= _MONTH:
        few, many = 3, 12
    lags += [
        Lag(name=f"mean_{count}", sql=f"AVG({sql})", after=step, over=step * (count + 1))
        for count in (few, many)
        if span >= _SEASONS_SEEN * count * step
    ]
    taken = {name.lower() for name in survey.table.columns}
    return tuple(
        each.model_copy(update={"name": f"known_{each.name}" if each.name in taken else each.name})
        for each in lags
    )


def write_tables(series: Series, source: str, time: str) -> list[tuple[str, list[str]]]:
    """Give each lag's section of [tables]: its head, and its lines."""
    return [
        (
            f"[tables.{each.name}]",
            [
                f"source = {quote(source)}",
                "entity = []",
                f"time = {quote(time)}",
                f'known_after = "{write_duration(each.after)}"',
                *([f'over = "{write_duration(each.over)}"'] if each.over else []),
                f"values = {{ {each.name} = {quote(each.sql)} }}",
            ],
        )
        for each in series.lags
    ]
