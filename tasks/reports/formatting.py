"""How reports write numbers, shares, times and Markdown.

What is unknown is written as an en dash.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from html import escape
from typing import TYPE_CHECKING, Any

from tasks.core.errors import harmless

if TYPE_CHECKING:
    from tasks.analysis.column_summary import ColumnSummary  # loads whylogs

_LABEL, _END = 28, 9
_EPOCH, _LATEST = datetime(1970, 1, 1, tzinfo=UTC), 2.5e11  # later dates Python does not know


def format_score(value: float | None) -> str:
    """Format a metric: four decimals where it is small, fewer where it is large.

    >>> [format_score(each) for each in (0.71234, 123.456, 41_250.4, 0.00001)]
    ['0.7123', '123.46', '41,250', '1.0e-05']
    """
    if value is None:
        return "–"
    digits = 4 if abs(value) < 10 else 2 if abs(value) < 1000 else 0
    return f"{value:.1e}" if 0 < abs(value) < 0.00005 else f"{value:,.{digits}f}"


def format_number(value: float | str | None) -> str:
    """Format any number with four significant digits, or whole from 1,000 on; text stays.

    >>> [format_number(each) for each in (0.123456, 12_345.6, "text", None)]
    ['0.1235', '12,346', 'text', '–']
    """
    if value is None or isinstance(value, str):
        return value or "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def format_share(value: float | None) -> str:
    """Format a share from 0 to 1 as a percentage with one decimal."""
    return "–" if value is None else f"{value:.1%}"


def format_gain(value: float) -> str:
    """Say by how much something is better, or worse where the gain is below 0.

    >>> format_gain(-0.2424)
    'worse by 0.2424'
    """
    return f"{'worse' if value < 0 else 'better'} by {abs(value):.4f}"


def format_time(time: datetime | None) -> str:
    """Format a time to the minute; readers are told that it is UTC."""
    return f"{time:%Y-%m-%d %H:%M}" if time else "–"


def format_value(column: "ColumnSummary", value: float | None) -> str:
    """Format a value of a column; a date column's are written as days."""
    time = read_time(column, value)
    return f"{time:%Y-%m-%d}" if time else format_number(value)


def read_time(column: "ColumnSummary", value: float | None) -> datetime | None:
    """Give the time that a value of a date column stands for, in seconds since 1970."""
    if value is None or not column.dtype.startswith("Date") or abs(value) >= _LATEST:
        return None
    return _EPOCH + timedelta(seconds=value)


def shorten(text: str) -> str:
    """Cut text to the 28 characters that a chart's label has room for.

    The middle goes: names that begin alike are told apart by their ends.
    """
    return text if len(text) <= _LABEL else f"{text[: _LABEL - _END - 1]}…{text[-_END:]}"


def printable(value: Any) -> Any:
    r"""Write out what steers a terminal or a reader's eye, and what no XML may hold.

    Only plain text is changed: a number stays, and so does markup that a template made.

    >>> print(printable("a\x1b[31m"))
    a\x1b[31m
    """
    if type(value) is not str or (value.isascii() and value.isprintable()):
        return value
    return re.sub("[\ufffe\uffff]", "\N{REPLACEMENT CHARACTER}", harmless(value))


def markdown_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(map(escape_markdown, line))} |" for line in lines)


def escape_markdown(text: str) -> str:
    r"""Keep Markdown, HTML and steering characters in names and levels from being read as such.

    >>> print(escape_markdown("*bold* <b>"))
    \*bold\* &lt;b&gt;
    """
    escaped = escape(" ".join(printable(text).split()), quote=False)
    return re.sub(r"([\\`*_{}\[\]|#~])", r"\\\1", escaped)
