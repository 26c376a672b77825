"""Pages keep their links: what lies outside of docs/ comes along, and a folder is named only."""

from pathlib import Path

from tools.docs.__main__ import REFERENCE, assemble
from tools.docs.pages import copy_pages

GUIDE = """[other](deep/other.md#part) [code](../flows/a.py) [policy](../POLICY.md) [all](../flows)
[away](https://example.org/a.md) ![drawing](b.svg)
"""


def test_links_lead_where_their_targets_are_among_the_pages(tmp_path: Path) -> None:
    repository, pages = tmp_path / "repository", tmp_path / "pages"
    for name, text in {
        "docs/guide.md": GUIDE,
        "docs/deep/other.md": "# Other\n## Part\n[up](../../POLICY.md)\n",
        "docs/b.svg": "<svg/>",
        "flows/a.py": "",
        "flows/unlinked.py": "",
        "POLICY.md": "[guide](docs/guide.md)\n",
    }.items():
        (repository / name).parent.mkdir(parents=True, exist_ok=True)
        (repository / name).write_text(text)
    copy_pages(repository, pages)
    assert (pages / "guide.md").read_text() == (
        "[other](deep/other.md#part) [code](repository/flows/a.py) "
        "[policy](repository/POLICY.md) all\n"
        "[away](https://example.org/a.md) ![drawing](b.svg)\n"
    )
    assert (pages / "deep/other.md").read_text().endswith("[up](../repository/POLICY.md)\n")
    assert (pages / "repository/POLICY.md").read_text() == "[guide](../guide.md)\n"
    assert (pages / "repository/flows/a.py").is_file()
    assert not (pages / "repository/flows/unlinked.py").exists()
    assert (repository / "docs/guide.md").read_text() == GUIDE


def test_all_pages_are_written_anew(tmp_path: Path) -> None:
    (tmp_path / "pages/reference").mkdir(parents=True)
    (tmp_path / "pages/old.md").write_text("")
    assemble(tmp_path / "pages")
    assert not (tmp_path / "pages/old.md").exists()
    written = {path.name: path.read_text() for path in (tmp_path / "pages/reference").iterdir()}
    assert written == {name: describe() for name, describe in REFERENCE.items()}
