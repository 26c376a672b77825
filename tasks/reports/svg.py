"""Makes a chart's SVG small: what draws nothing goes, and so do digits that no eye sees.

Half of what Vega writes are empty layers and defaults, and a page holds ten charts. Only tags are
touched, never the text between them. Not responsible for what is drawn (`charts`).
"""

import re

_EMPTY = re.compile(r'<path class="(?:background|foreground)"[^<>]*/>')
_TAG = re.compile(r"<[^<>]+>")
_DEFAULT = re.compile(
    r' (?:opacity="1"|pointer-events="none"|aria-hidden="true"|class="[^"<>]{0,80}"|version="1.1"'
    r'|aria-roledescription="[^"<>]{0,80}"|role="[^"<>]{0,80}"|font-family="[^"<>]{0,80}"'
    r'|stroke-miterlimit="10"|font-weight="normal"|xmlns:xlink="[^"<>]{0,80}")'
)
_DIGITS = re.compile(r"(\.\d)\d{1,20}")
_NEST = re.compile(r"<g[^<>]{0,200}></g>")


def slim(svg: str) -> str:
    """Leave out of Vega's SVG what does not show.

    >>> slim('<g class="x"><path class="background" d=""/></g><text x="1.26">1.26</text>')
    '<text x="1.2">1.26</text>'
    """
    small = _TAG.sub(_slim_tag, _EMPTY.sub("", svg))
    while (less := _NEST.sub("", small)) != small:
        small = less
    return small


def _slim_tag(found: re.Match[str]) -> str:
    return _DIGITS.sub(r"\1", _DEFAULT.sub("", found[0]))
