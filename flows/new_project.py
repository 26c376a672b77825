"""A new project: the files that a team's own repository begins with.

A file that is there already is kept. Not responsible for a model's definition (`tasks.init`).
"""

from importlib.metadata import version
from pathlib import Path
from string import Template

from flows.prefect_file import FILE, empty_file
from tasks.core.definition import Frozen
from tasks.core.definition_file import DEFINITIONS
from tasks.core.errors import DefinitionError, first_line

_TEMPLATES = Path(__file__).with_name("templates") / "project"
_FILES = {
    "README.md": "README.md",
    "requirements.txt": "requirements.txt",
    ".gitignore": "gitignore",
    ".github/workflows/perennial.yml": "workflow.yml",
}


class Project(Frozen):
    """Where a project is, and which of its files were written, and which were there."""

    folder: str
    written: tuple[str, ...]
    kept: tuple[str, ...]


def write_project(folder: Path) -> Project:
    """Write a project's files into a folder; DefinitionError, and no file, where that fails."""
    given = {"name": folder.resolve().name, "version": version("perennial-ml")}
    texts = {
        name: Template((_TEMPLATES / template).read_text("utf-8")).substitute(given)
        for name, template in _FILES.items()
    }
    texts |= {str(FILE): empty_file(), f"{DEFINITIONS}/.gitkeep": ""}
    written: list[Path] = []
    made = [each for each in (folder, *folder.parents) if not each.exists()]
    try:
        for name, text in sorted(texts.items()):
            path = folder / name
            made += [each for each in path.parents if not each.exists() and each not in made]
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                path.write_text(text, "utf-8")
                written.append(path)
    except OSError as error:
        _remove(written, made)
        raise DefinitionError(f"{folder}: cannot be written: {first_line(error)}") from error
    names = tuple(str(path.relative_to(folder)) for path in written)
    kept = tuple(name for name in sorted(texts) if name not in names)
    return Project(folder=str(folder), written=names, kept=kept)


def _remove(files: list[Path], folders: list[Path]) -> None:
    """Take back what was written, and the folders that were made for it."""
    for file in files:
        file.unlink(missing_ok=True)
    for each in sorted(folders, key=lambda path: len(path.parts), reverse=True):
        if each.is_dir() and not any(each.iterdir()):
            each.rmdir()
