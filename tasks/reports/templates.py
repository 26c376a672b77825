"""Renders the HTML pages from the Jinja2 templates in `templates/`, beside this module.

A page is one file: it holds its style sheet and its charts, and loads nothing. Values are always
escaped, so that names and levels from data are never read as markup; characters that turn the
direction of text or steer a terminal are written out. A name that is missing is an error.
"""

from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from tasks.reports.formatting import printable


class Figure(NamedTuple):
    """A chart as SVG, with the title and the caption above it."""

    title: str
    caption: str
    svg: str


def render(template: str, **values: object) -> str:
    """Render a page. The same values give the same bytes.

    Raises jinja2.UndefinedError where the template uses a name that was not given.
    """
    return _PAGES.get_template(template).render(values)


_PAGES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    finalize=printable,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
