"""The pages of `docs/` for the site: as they are, with what they link to outside of it beside them.

Not responsible for whether a link leads anywhere: zensical's strict build refuses a dead one.
"""

import os
import re
import shutil
from pathlib import Path

_LINK = re.compile(r"\]\(([^)#:\s]+)(#[^)]*)?\)")
OUTSIDE = "repository"  # the folder of the site for what lies outside of docs/


def copy_pages(repository: Path, pages: Path) -> None:
    """Copy `docs/`, and each file outside of it that a page links to, into the folder of pages."""
    docs = repository / "docs"
    shutil.copytree(docs, pages)
    waiting, seen = sorted(docs.rglob("*.md")), set[Path]()
    while waiting:
        page = waiting.pop()
        seen.add(page)
        place = pages / place_of(page, repository)
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(page, place)
        if page.suffix != ".md":
            continue
        text = page.read_text("utf-8")
        place.write_text(rewrite_links(text, page, repository), "utf-8")
        linked = {(page.parent / link).resolve() for link, _ in _LINK.findall(text)}
        waiting += [each for each in sorted(linked - seen) if is_taken_along(each, repository)]


def is_taken_along(path: Path, repository: Path) -> bool:
    """Tell whether a file that a page links to lies outside of docs/, but in the repository."""
    return path.is_file() and path.is_relative_to(repository) and not _in_docs(path, repository)


def place_of(path: Path, repository: Path) -> Path:
    """Tell where a file of the repository lies among the pages."""
    inside = path.relative_to(repository)
    return inside.relative_to("docs") if _in_docs(path, repository) else Path(OUTSIDE) / inside


def rewrite_links(text: str, page: Path, repository: Path) -> str:
    """Let a page's links lead where their targets are among the pages; a folder is only named."""

    def rewrite(link: re.Match[str]) -> str:
        target = (page.parent / link[1]).resolve()
        if target.is_dir():
            return "]" + _AWAY
        if not target.is_relative_to(repository):
            return link[0]
        here = place_of(page, repository).parent
        there = os.path.relpath(place_of(target, repository), here)
        return f"]({there}{link[2] or ''})"

    return re.sub(rf"\[([^\]]*)\]{re.escape(_AWAY)}", r"\1", _LINK.sub(rewrite, text))


_AWAY = "(->folder)"


def _in_docs(path: Path, repository: Path) -> bool:
    return path.is_relative_to(repository / "docs")
