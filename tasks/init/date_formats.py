"""Date formats: how days and times are written as text or numbers, and the SQL that reads them.

Numbers may count seconds to nanoseconds since 1970. Not responsible for the choice of the event
time: `event_time` is.
"""

import re
from collections.abc import Mapping
from typing import Any

import polars as pl

from tasks.core.definition import Frozen
from tasks.core.sql import quote_name
from tasks.init.column_statistics import measure
from tasks.sources.query import SourceTable

_DAYS = (
    *("%Y-%m-%d", "%Y/%m/%d", "%d.%m.%Y", "%d.%m.%y", "%d/%m/%Y", "%m/%d/%Y", "%d/%m/%y"),
    *("%m/%d/%y", "%d-%m-%Y", "%m-%d-%Y", "%Y%m%d", "%d-%b-%Y", "%d-%b-%y", "%d %b %Y"),
    *("%b %d, %Y", "%d %B %Y", "%B %d, %Y"),
)
_CLOCKS = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S%.f", " %I:%M %p", " %I:%M:%S %p")
_ISO_CLOCKS = ("T%H:%M", "T%H:%M:%S", "T%H:%M:%S%.f", "T%H:%M:%S%.f%#z", " %H:%M:%S%.f%#z")
_FORMATS = [day + clock for day in _DAYS for clock in _CLOCKS]
_FORMATS += [day + clock for day in _DAYS[:2] for clock in _ISO_CLOCKS]
_DATED = re.compile(
    r"\d{1,4}[-/.]\d{1,2}[-/.]\d|^\s*\d{8}\b|\d[- ][^\W\d]{3,9}[- ]\d|^\s*[^\W\d]{3,9} \d"
)
_SHAPES = {"%Y": r"\d{4}", "%b": r"[A-Za-z]{3}", "%B": r"[A-Za-z]+", "%p": r"[AaPp][Mm]"}
_SHAPES |= {"%.f": r"(\.\d+)?", "%#z": r"(Z|[+-]\d\d:?\d*)"}
_PROBES, _MOST_ODD, _MOSTLY = 50, 20, 0.5
_UNITS = {"seconds": 1, "milliseconds": 10**3, "microseconds": 10**6, "nanoseconds": 10**9}
_FIRST, _LAST = 631_152_000, 4_102_444_800  # 1990 and 2100, in seconds
_WORDS = "time|timestamp|ts|date|datetime|day|epoch|unix|when|at|on|created|updated|modified"
_NAMED = re.compile(rf"(?i:(^|[\W_])({_WORDS})([\W_]|$)|(time|timestamp|date)$)|[a-z](At|On|Ts)$")


COLUMN = "\0"


class DateFormat(Frozen):
    """How a column is read as dates. Of `formats`, which fit alike, the first is used.

    `lacking` values are no date, `odd` is one of them; `sql`, in which COLUMN stands for the
    column, is empty where they are too many.
    """

    sql: str
    formats: tuple[str, ...] = ()
    values: int = 0
    lacking: int = 0
    odd: str = ""
    note: str = ""

    def write(self, column: str) -> str:
        """Write the SQL that reads a date, of a column as SQL gives it."""
        return self.sql.replace(COLUMN, column)


def is_named_like_a_time(column: str) -> bool:
    """Tell whether a column's name has a word for a time.

    >>> [is_named_like_a_time(name) for name in ("createdAt", "pickup_time", "latitude")]
    [True, True, False]
    """
    return bool(_NAMED.search(column))


def date_texts(table: SourceTable, columns: dict[str, str]) -> dict[str, DateFormat]:
    """Find which columns hold dates as text; `columns` gives the SQL of each one's text.

    Of formats that fit equally many values, as %d/%m/%Y and %m/%d/%Y may, the one is used first
    whose days leave no doubt in another column.
    """
    texts = {name: pl.col(name).cast(pl.String).str.strip_chars().drop_nulls() for name in columns}
    probes = {name: {"": text.head(_PROBES).implode()} for name, text in texts.items()}
    likely = {
        name: formats
        for name, found in measure(table, probes).items()
        if (formats := _try_formats(found[""]))
    }
    asked = {name: _count_fits(name, texts[name], tried) for name, tried in likely.items()}
    counts = measure(table, asked)
    padded = {name: each.pop("padded") for name, each in counts.items()}
    best = _choose_formats(counts)
    rest = {
        name: _look_at_rest(texts[name], formats[0], likely[name]) for name, formats in best.items()
    }
    sqls = {name: f"TRIM({columns[name]})" if padded[name] else columns[name] for name in best}
    return {
        name: _date_text(sqls[name], best[name], counts[name], found)
        for name, found in measure(table, rest).items()
    }


def date_numbers(
    table: SourceTable, columns: Mapping[str, tuple[str, pl.DataType]]
) -> dict[str, DateFormat]:
    """Find which columns count time since 1970, by their range; `columns` gives SQL and type."""
    asked = {
        name: _count_since(name, sql.replace(COLUMN, quote_name(name)))
        for name, (sql, _) in columns.items()
    }
    found = {}
    for name, counts in measure(table, asked).items():
        unit = max(_UNITS, key=lambda each: counts[each])
        if counts[unit] <= _MOSTLY * counts[""]:
            continue
        sql, dtype = columns[name]
        lacking = counts[""] - counts[unit]
        found[name] = DateFormat(
            sql=_write_since(sql if lacking else sql.replace("TRY_", ""), dtype, unit, lacking),
            values=counts[""],
            lacking=lacking,
            odd=str(counts[f"not {unit}"]),
            note=f"read as {unit} since 1970",
        )
    return found


def _count_fits(name: str, text: pl.Expr, formats: list[str]) -> dict[str, pl.Expr]:
    raw = pl.col(name).cast(pl.String)
    return {
        "": text.len(),
        "padded": (raw != raw.str.strip_chars()).sum(),
        **{form: _are_dates(text, form).sum() for form in formats},
    }


def _try_formats(probes: list[str]) -> list[str]:
    """List the formats that fit any of the first values, if most of them look like dates."""
    dated = pl.Series([text for text in probes if _DATED.search(text)], dtype=pl.String)
    if not len(dated) or len(dated) < _MOSTLY * len(probes):
        return []
    return [each for each in _FORMATS if _are_dates(dated, each).any()]


def _are_dates(text: pl.Expr | pl.Series, form: str) -> Any:
    parsed = text.str.to_datetime(form, strict=False, time_unit="us")
    return parsed.dt.year().is_between(1900, 2200).fill_null(False)


def _choose_formats(counts: dict[str, dict[str, int]]) -> dict[str, tuple[str, ...]]:
    """List the formats that fit most values; first the one whose days leave no doubt elsewhere."""
    best = {}
    for name, each in counts.items():
        most = max(count for form, count in each.items() if form)
        best[name] = tuple(form for form, count in each.items() if form and count == most)
    sure = {formats[0][:8] for formats in best.values() if len(formats) == 1}
    return {
        name: tuple(sorted(formats, key=lambda form: form[:8] not in sure))
        for name, formats in best.items()
    }


def _look_at_rest(text: pl.Expr, best: str, formats: list[str]) -> dict[str, pl.Expr]:
    """Look at the values that the best format does not fit."""
    rest = text.filter(~_are_dates(text, best))
    return {
        "odd": rest.unique(maintain_order=True).head(_MOST_ODD + 1).implode(),
        "shaped": rest.str.contains(_shape(best)).sum(),
        **{form: _are_dates(rest, form).sum() for form in formats if _shape(form) != _shape(best)},
    }


def _date_text(
    sql: str, formats: tuple[str, ...], counts: dict[str, int], rest: dict[str, Any]
) -> DateFormat:
    values, best, odd, shaped = counts[""], formats[0], rest.pop("odd"), rest.pop("shaped")
    lacking = values - counts[best]
    told = DateFormat(sql="", formats=formats, values=values)
    dated = _read_as(sql, best)
    if not lacking:
        return told.model_copy(update={"sql": dated})
    second = max(rest, key=lambda form: rest[form], default=best)
    if rest.get(second) == lacking:
        case = f"CASE WHEN {sql} ~ '{_shape(second)}' THEN {_read_as(sql, second)} ELSE {dated} END"
        note = f"{lacking:,} rows are read as {second}"
        return told.model_copy(update={"sql": case, "note": note})
    guard = ""
    if len(odd) <= _MOST_ODD:
        listed = ", ".join("'" + each.replace("'", "''") + "'" for each in odd)
        guard = f"{sql} NOT IN ({listed})"
    elif not shaped:
        guard = f"{sql} ~ '{_shape(best)}'"
    dated = f"CASE WHEN {guard} THEN {dated} END" if guard else ""
    return told.model_copy(update={"sql": dated, "lacking": lacking, "odd": odd[0]})


def _read_as(sql: str, form: str) -> str:
    return f"STRPTIME({sql}, '{form}')"


def _shape(form: str) -> str:
    """Give the pattern of texts that a format may fit."""
    shapes = [
        _SHAPES.get(part, r"\d{1,2}") if part.startswith("%") else re.escape(part)
        for part in re.split(r"(%#z|%\.f|%[A-Za-z])", form)
    ]
    return f"^{''.join(shapes)}$"


def _count_since(column: str, sql: str) -> dict[str, pl.Expr]:
    """Count the values that are times of these years by each unit; and give one that is none."""
    asked, number = {"": pl.col(column).count()}, pl.sql_expr(sql)
    for unit, factor in _UNITS.items():
        inside = number.is_between(_FIRST * factor, _LAST * factor).fill_null(False)
        odd = pl.col(column).filter(~inside).drop_nulls().first()
        asked |= {unit: inside.sum(), f"not {unit}": odd}
    return asked


def _write_since(sql: str, dtype: pl.DataType, unit: str, lacking: int) -> str:
    """Write the SQL that makes times of numbers; small integers get room, NaN is no time."""
    factor, whole = 10**6 // _UNITS[unit], dtype.is_integer()
    number = sql if dtype == pl.Int64 or not whole else f"CAST({sql} AS BIGINT)"
    scaled = f"{number} * {factor}" if factor > 1 else number
    if not factor:
        scaled = f"{number} // 1000" if whole else f"{number} / 1000"
    time = f"CAST({scaled if whole else f'CAST(ROUND({scaled}) AS BIGINT)'} AS TIMESTAMP)"
    if whole and not lacking:
        return time
    first, last = (limit * _UNITS[unit] for limit in (_FIRST, _LAST))
    return f"CASE WHEN {sql} BETWEEN {first} AND {last} THEN {time} END"
