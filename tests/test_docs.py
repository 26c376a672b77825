"""What the pages say can be done: every page has its place, every command is one that exists."""

import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tools.docs.command_reference import find_commands
from tools.docs.examples import find_mistake, read_blocks, read_uses, split_commands

REPOSITORY = Path(__file__).parents[1]
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
TARGETS = set(re.findall(r"^([a-z]+):.*## ", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
COMMANDS = find_commands()


def name(page: Path) -> str:
    return str(page.relative_to(REPOSITORY))


def list_nav(entry: Any) -> Iterator[str]:
    if isinstance(entry, str):
        yield entry
    for inner in entry.values() if isinstance(entry, dict) else entry:
        if not isinstance(entry, str):
            yield from list_nav(inner)


def test_every_page_has_one_place_in_the_site_s_navigation() -> None:
    project = tomllib.loads((REPOSITORY / "zensical.toml").read_text())["project"]
    there = [str(page.relative_to(REPOSITORY / "docs")) for page in PAGES[1:]]
    assert sorted(list_nav(project["nav"])) == sorted(there)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_block_of_shell_can_be_read_by_a_shell(page: Path) -> None:
    for block in read_blocks(page):
        read = subprocess.run(["sh", "-n"], input=block, text=True, capture_output=True)
        assert read.returncode == 0, f"{block}\n{read.stderr}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_use_of_the_command_line_names_what_is_there(page: Path) -> None:
    whole = [words for block in read_blocks(page) for words in split_commands(block)]
    mistakes = [
        (words, mistake)
        for words in read_uses(page)
        if (mistake := find_mistake(words, COMMANDS, whole=words in whole))
    ]
    assert mistakes == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_make_target_that_a_page_names_is_there(page: Path) -> None:
    blocks = re.sub(r"#.*", "", "\n".join(read_blocks(page)))
    shown = "\n".join([blocks, *re.findall(r"`(make [^`]+)`", page.read_text())])
    lines = re.findall(r"(?:^|\s)make((?: [a-z]+\b(?![/.=]))+)", shown)
    assert {target for line in lines for target in line.split()} <= TARGETS


def test_the_pages_show_most_commands_of_the_command_line() -> None:
    shown = {words[0] for page in PAGES for words in read_uses(page)}
    assert set(COMMANDS) - shown == set()
