"""What was built is looked at as a browser would take it: links, anchors, and where from it loads.

zensical's strict build looks at the pages' Markdown; this at every HTML file that came of it, so
that a setting that zensical does not know, or no longer knows, cannot let anything through.
"""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

_LOADS = {("script", "src"), ("img", "src"), ("link", "href"), ("iframe", "src"), ("source", "src")}
# A link of these kinds is followed by a person or a machine that asks for it, and loads nothing.
_TOLD = {"canonical", "next", "prev", "alternate", "author", "license"}
_IN_STYLE = re.compile(r"""(?:url\(|@import)\s*["']?((?:https?:)?//[^"')\s]+)""")


class Page(HTMLParser):
    """One file's anchors, what it links to, and what it loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.feed(text)
        self.loads += _IN_STYLE.findall(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        told = tag == "link" and set(given.get("rel", "").split()) & _TOLD
        self.loads += [
            given[name] for at, name in _LOADS if at == tag and name in given and not told
        ]


def find_faults(site: Path) -> list[str]:
    """List what is wrong with a built site: nothing there, a dead link or anchor, another host."""
    pages = {path: Page(path.read_text("utf-8")) for path in sorted(site.rglob("*.html"))}
    if not pages:
        return [f"{site}: no page was built"]
    faults = [
        f"{path.relative_to(site)}: {fault}"
        for path, page in pages.items()
        for fault in (*_find_dead(path, page, pages, site), *_find_foreign(page))
    ]
    return faults + [
        f"{path.relative_to(site)}: loads {address}"
        for path in sorted(site.rglob("*.css"))
        for address in _IN_STYLE.findall(path.read_text("utf-8"))
    ]


def _find_dead(path: Path, page: Page, pages: dict[Path, Page], site: Path) -> Iterator[str]:
    """Name links that lead nowhere; the page for what is missing has none of its own."""
    if path.name == "404.html":
        return
    for address in (*page.links, *page.loads):
        parts = urlsplit(address)
        if parts.scheme or parts.netloc:
            continue
        above = site if parts.path.startswith("/") else path.parent
        target = (above / unquote(parts.path).lstrip("/")).resolve() if parts.path else path
        target = target / "index.html" if target.is_dir() else target
        if not target.is_file():
            yield f"{address} leads nowhere"
        elif target in pages and not _has_anchor(pages[target], unquote(parts.fragment)):
            yield f"{address} leads to no anchor"


def _has_anchor(page: Page, name: str) -> bool:
    return name in page.anchors | {"", "__top"}


def _find_foreign(page: Page) -> Iterator[str]:
    for address in page.loads:
        parts = urlsplit(address)
        if parts.netloc or parts.scheme not in ("", "data"):
            yield f"loads {address}"
