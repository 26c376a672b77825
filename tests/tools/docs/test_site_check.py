"""A built site with a dead link, a dead anchor, or anything of another host does not pass."""

from pathlib import Path

import pytest

from tools.docs.site_check import find_faults

SOUND = """<html><head><link rel="stylesheet" href="a.css"><link rel="canonical" href="https://x.org">
</head><body><h1 id="top">Hello</h1><a href="b/index.html#there">to b</a> <a href="b/">too</a>
<a href="#top">up</a> <a href="https://x.org">away</a><script src="a.js"></script></body></html>"""


def build(folder: Path, page: str = SOUND, style: str = "body { color: red }") -> Path:
    (folder / "b").mkdir()
    (folder / "index.html").write_text(page)
    (folder / "b/index.html").write_text('<p id="there">there</p>')
    (folder / "a.css").write_text(style)
    (folder / "a.js").write_text("")
    return folder


def test_a_sound_site_passes(tmp_path: Path) -> None:
    assert find_faults(build(tmp_path)) == []


@pytest.mark.parametrize(
    ("addition", "fault"),
    [
        ('<a href="c.html">c</a>', "index.html: c.html leads nowhere"),
        ('<a href="b/index.html#here">b</a>', "index.html: b/index.html#here leads to no anchor"),
        ('<a href="#bottom">down</a>', "index.html: #bottom leads to no anchor"),
        ('<img src="picture.png">', "index.html: picture.png leads nowhere"),
        ('<script src="https://x.org/a.js"></script>', "index.html: loads https://x.org/a.js"),
        ('<link rel="stylesheet" href="//x.org/a.css">', "index.html: loads //x.org/a.css"),
        ("<style>@import 'https://x.org/f.css';</style>", "index.html: loads https://x.org/f.css"),
    ],
)
def test_each_fault_is_named_with_its_page(tmp_path: Path, addition: str, fault: str) -> None:
    assert find_faults(build(tmp_path, SOUND.replace("</body>", f"{addition}</body>"))) == [fault]


def test_a_style_sheet_that_loads_a_font_is_a_fault(tmp_path: Path) -> None:
    style = "@font-face { src: url('https://fonts.example/a.woff2') }"
    faults = find_faults(build(tmp_path, style=style))
    assert faults == ["a.css: loads https://fonts.example/a.woff2"]


def test_an_empty_site_does_not_pass(tmp_path: Path) -> None:
    assert find_faults(tmp_path) == [f"{tmp_path}: no page was built"]
