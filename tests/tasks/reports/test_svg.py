"""SVG without what does not show; text is never touched."""

from xml.etree import ElementTree

from tasks.reports.svg import slim

EMPTY = '<g class="a"><g><path class="foreground" aria-hidden="true" d="" display="none"/></g></g>'


def test_text_stays_as_it_is_though_it_looks_like_what_goes() -> None:
    text = 'x opacity="1" 0.123456 class="y"'
    svg = f'<svg>{EMPTY}<text class="y" x="0.123456" opacity="1">{text}</text></svg>'
    assert slim(svg) == f'<svg><text x="0.1">{text}</text></svg>'


def test_what_shows_stays() -> None:
    svg = '<svg><g transform="translate(52,8)"><path d="M0,0.5L1,2" opacity="0.5"/></g></svg>'
    assert slim(svg) == svg
    assert ElementTree.fromstring(slim(f"<svg>{EMPTY * 3}</svg>")).tag == "svg"
