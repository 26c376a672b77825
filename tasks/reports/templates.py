"""Renders the HTML pages from the Jinja2 templates in `templates/`, beside this module.

A page is one file: it holds its style sheet and its charts, and loads nothing. Values are always
escaped, so that names and levels from data are never read as markup; characters that turn the
direction of text or steer a terminal are written out. A name that is missing is an error.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

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


def open_templates(folder: Path, finalize: Callable[[Any], Any]) -> Environment:
    """Open a folder of templates; `finalize` is what becomes of each value before it is escaped."""
    return Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def css_text(text: str) -> str:
    r"""Write text as a string of CSS, so that a style can show it.

    >>> print(css_text('a "b"'))
    "a \22 b\22 "
    """
    steering = {"\\": r"\5c ", '"': r"\22 ", "\n": r"\a "}
    return '"' + "".join(steering.get(each, each) for each in text) + '"'


_PAGES = open_templates(Path(__file__).parent / "templates", printable)
_PAGES.filters["css_text"] = css_text
