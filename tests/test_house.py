"""The house keeps its shape. What may import what, import-linter says: `make check` runs both."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
GUIDE = (REPOSITORY / "docs" / "contributing.md").read_text()
MODULES = sorted(
    path.relative_to(REPOSITORY)
    for folder in ("bentos", "flows", "tasks")
    for path in (REPOSITORY / folder).rglob("*.py")
    if path.name != "__init__.py"
)
HEAVY = {"prefect", "whylogs", "s3fs", "lightgbm", "altair", "jinja2"}
MOST_LINES, MOST_IN_FUNCTION = 250, 40


@pytest.mark.parametrize(
    "modules",
    [
        "tasks.features.transform, tasks.core.definition, tasks.registry.versions",
        "flows.cli, tasks.registry.overview",
    ],
)
def test_what_serves_or_only_looks_loads_none_of_the_heavy_libraries(modules: str) -> None:
    code = f"import sys, {modules}; print({HEAVY} & set(sys.modules) or '')"
    loaded = subprocess.check_output([sys.executable, "-c", code], cwd=REPOSITORY, text=True)
    assert loaded.strip() == ""


def test_commands_begin_without_numpy() -> None:
    """Completion and each short command would wait for it."""
    code = "import sys, flows.cli; print('numpy' in sys.modules)"
    told = subprocess.check_output([sys.executable, "-c", code], cwd=REPOSITORY, text=True)
    assert told.strip() == "False"


def test_the_guide_has_a_line_for_each_room() -> None:
    table = GUIDE.partition("## The rooms")[2].partition("\n## ")[0]
    named = re.findall(r"^\| `(\w+)` \| \S", table, re.MULTILINE)
    rooms = {path.parts[1] for path in MODULES if path.parts[0] == "tasks"}
    assert sorted(named) == sorted(rooms)


def test_every_file_that_the_guide_names_is_there() -> None:
    named = re.findall(r"`((?:bentos|flows|tasks|tests|tools)/[\w/.]+)`", GUIDE)
    assert len(named) > 30
    assert [each for each in named if not (REPOSITORY / each).exists()] == []


@pytest.mark.parametrize("page", [REPOSITORY / "README.md", *(REPOSITORY / "docs").rglob("*.md")])
def test_each_link_of_a_page_leads_to_a_file(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_each_module_has_a_test_of_its_name(module: Path) -> None:
    assert (REPOSITORY / "tests" / module.parent / f"test_{module.name}").is_file()


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_no_module_and_no_function_is_long(module: Path) -> None:
    text = (REPOSITORY / module).read_text()
    long = [
        node.name
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno >= MOST_IN_FUNCTION
    ]
    assert long == []
    assert len(text.splitlines()) <= MOST_LINES


@pytest.mark.parametrize("room", sorted({path.parent for path in MODULES}), ids=str)
def test_a_room_s_first_file_says_what_it_is_for_and_imports_none_of_ours(room: Path) -> None:
    tree = ast.parse((REPOSITORY / room / "__init__.py").read_text())
    assert ast.get_docstring(tree)
    imported = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert imported == []
