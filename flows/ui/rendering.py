"""Renders the pages from the templates beside this module, and says how they write numbers.

Values are always escaped; characters that turn the direction of text are written out. What is not
known is an en dash. Not responsible for reports (`tasks.reports`): charts are not drawn here, and
their libraries not loaded.
"""

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flows.comparison_pages import share, write, write_contribution
from tasks.core.model_card import title_card
from tasks.core.model_sections import HIGHER_IS_BETTER
from tasks.core.units import unit_of
from tasks.reports.formatting import format_score, printable
from tasks.reports.templates import open_templates

_TEMPLATES = Path(__file__).parent / "templates"
STYLE = (_TEMPLATES / "style.css").read_bytes()
STYLE_NAME = f"style-{hashlib.sha256(STYLE).hexdigest()[:12]}.css"


def render(template: str, **values: object) -> str:
    """Render a page; jinja2.UndefinedError where the template uses a name that was not given."""
    return _PAGES.get_template(f"{template}.html.jinja").render(style=STYLE_NAME, **values)


def prepare() -> None:
    """Compile all templates, which would take the first who asks a tenth of a second."""
    for name in _PAGES.list_templates(["jinja"]):
        _PAGES.get_template(name)


def metric(name: str, unit: str | None = None) -> str:
    """Write a metric's name with an arrow in the direction that is better, and with its unit.

    >>> metric("auc"), metric("average_precision"), metric("log_loss")
    ('auc ↑', 'average precision ↑', 'log loss ↓')
    """
    arrow = "↑" if name in HIGHER_IS_BETTER else "↓"
    return f"{name.replace('_', ' ')} {arrow}{unit_of(name, unit)}"


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
    return "–" if value is None else printable(value)


_PAGES = open_templates(_TEMPLATES, _printable)
_PAGES.filters |= {each.__name__: each for each in (metric, moment, age, words, share)}
_PAGES.filters |= {"score": format_score, "titled": title_card}
_PAGES.filters |= {"side": write, "contribution": write_contribution}
