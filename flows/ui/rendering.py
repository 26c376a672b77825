"""Renders the pages from the templates beside this module, and says how they write numbers.

Values are always escaped; characters that turn the direction of text are written out. What is not
known is an en dash. Not responsible for reports (`tasks.reports`), whose libraries this page does
not load.
"""

import hashlib
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from flows.comparison_pages import share, write, write_contribution
from tasks.core.errors import harmless
from tasks.core.model_sections import HIGHER_IS_BETTER

_TEMPLATES = Path(__file__).parent / "templates"
STYLE = (_TEMPLATES / "style.css").read_bytes()
STYLE_NAME = f"style-{hashlib.sha256(STYLE).hexdigest()[:12]}.css"


def render(template: str, **values: object) -> str:
    """Render a page; jinja2.UndefinedError where the template uses a name that was not given."""
    return _PAGES.get_template(f"{template}.html.jinja").render(style=STYLE_NAME, **values)


def score(value: float | None) -> str:
    """Write a metric: four decimals where it is small, fewer where it is large.

    >>> score(0.71234), score(123.456), score(41_250.4), score(None)
    ('0.7123', '123.46', '41,250', '–')
    """
    if value is None:
        return "–"
    return f"{value:,.{4 if abs(value) < 10 else 2 if abs(value) < 1000 else 0}f}"


def metric(name: str) -> str:
    """Write a metric's name with an arrow in the direction that is better.

    >>> metric("auc"), metric("average_precision"), metric("log_loss")
    ('auc ↑', 'average precision ↑', 'log loss ↓')
    """
    return f"{name.replace('_', ' ')} {'↑' if name in HIGHER_IS_BETTER else '↓'}"


def moment(given: str | datetime | None) -> str:
    """Write a time to the minute, in UTC.

    >>> moment("2013-07-01T04:30:12+00:00"), moment(None)
    ('2013-07-01 04:30', '–')
    """
    time = datetime.fromisoformat(given) if isinstance(given, str) else given
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M}" if time else "–"


def age(given: str | datetime, now: datetime) -> str:
    """Write how long ago, or in how long, something is.

    >>> age("2013-07-01T00:00:00+00:00", datetime(2013, 7, 4, tzinfo=UTC))
    '3 days ago'
    """
    time = datetime.fromisoformat(given) if isinstance(given, str) else given
    minutes = round((now - time).total_seconds() / 60)
    size = abs(minutes)
    amount, unit = (size, "minute") if size < 120 else (size // 60, "hour")
    if size >= 2880:
        amount, unit = size // 1440, "day"
    said = f"{amount:,} {unit}{'' if amount == 1 else 's'}"
    return f"{said} ago" if minutes >= 0 else f"in {said}"


def words(name: str) -> str:
    return name.replace("_", " ")


def _printable(value: Any) -> Any:
    if value is None:
        return "–"
    if type(value) is not str:
        return value
    return re.sub("[\ufffe\uffff]", "\N{REPLACEMENT CHARACTER}", harmless(value))


_PAGES = Environment(
    loader=FileSystemLoader(_TEMPLATES),
    autoescape=True,
    undefined=StrictUndefined,
    finalize=_printable,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
_PAGES.filters |= {each.__name__: each for each in (score, metric, moment, age, words, share)}
_PAGES.filters |= {"side": write, "contribution": write_contribution}
