"""Templates escape every value, and miss none."""

import re
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from tasks.reports import templates
from tasks.reports.templates import css_text, render

FILES = Path(templates.__file__).parent / "templates"
VALUES = {
    "model": "m",
    "span": "2013",
    "first": "v1",
    "every": "1mo",
    "metric": "AUC ↑",
    "heads": ["Policy"],
    "policies": [["never"]],
    "told": ["never is the best"],
    "choice": [],
    "rules": {},
    "period_heads": [],
    "periods": [],
    "tracks": [],
}


def test_value_is_escaped_wherever_it_stands() -> None:
    page = render("backtest.html.jinja", **VALUES, title="<script>\x1b\u202e'\"&")
    assert "<title>&lt;script&gt;\\x1b\\u202e&#39;&#34;&amp;</title>" in page
    rules = {"<b>": "<i>"}
    page = render("backtest.html.jinja", **{**VALUES, "rules": rules}, title="t")
    assert "<li><b>&lt;b&gt;</b>: &lt;i&gt;</li>" in page


def test_missing_value_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="'title' is undefined"):
        render("backtest.html.jinja", **VALUES)


def test_style_sheet_is_in_the_page() -> None:
    page = render("backtest.html.jinja", **VALUES, title="t")
    assert (FILES / "style.css").read_text().strip() in page
    assert page.endswith("</html>\n")


def test_only_charts_are_taken_as_markup() -> None:
    unescaped = {
        path.name: re.findall(r".*(?:\|\s*safe|autoescape|Markup).*", path.read_text())
        for path in FILES.glob("*.jinja")
    }
    found = {name: lines for name, lines in unescaped.items() if lines}
    assert found == {"macros.html.jinja": ["{% macro chart(svg) %}{{ svg|safe }}{% endmacro %}"]}


def test_a_head_in_a_style_ends_neither_its_string_nor_the_attribute() -> None:
    assert css_text('a";}\\\n</style>') == r'"a\22 ;}\5c \a </style>"'
    heads = ["Policy", '"}</style><script>', "c"]
    page = render("backtest.html.jinja", **{**VALUES, "heads": heads}, title="t")
    style = "--h2:&#34;\\22 }&lt;/style&gt;&lt;script&gt;&#34;;"
    assert style in page
    assert "<script" not in page
