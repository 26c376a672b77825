"""Where definition files are: one TOML file for each model, in the folder `deployments/`.

Responsible for finding a model's file by its name and reading it. Not responsible for what its
keys mean (`definition`).
"""

from pathlib import Path

from tasks.core.definition import Definition, parse_definition
from tasks.core.errors import DefinitionError, first_line, nearest

DEFINITIONS = Path("deployments")


def list_definitions() -> dict[str, Path]:
    """List this project's models by name, each with its definition file."""
    return {path.stem.replace("_", "-"): path for path in sorted(DEFINITIONS.glob("*.toml"))}


def find_definition(model: str) -> Path:
    """Find a model's file by its name under `deployments/`, or by the path of a .toml file.

    Raises DefinitionError where there is none, with the nearest name.
    """
    if model.endswith(".toml"):
        path = Path(model)
        if not path.is_file():
            raise DefinitionError(f"{model}: there is no such definition file")
        return path
    names = list_definitions()
    if model not in names:
        raise DefinitionError(
            f"no model named {model!r} in {DEFINITIONS}/: {nearest(model, names)} "
            "(write one with `perennial init DATA --target COLUMN`)"
        )
    return names[model]


def load_definition(path: Path) -> Definition:
    """Read and validate one definition file.

    Raises DefinitionError, which names the file and the first key that is wrong.
    """
    try:
        return parse_definition(path.read_bytes().decode("utf-8-sig"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        hint = "; save it as UTF-8" if isinstance(error, UnicodeDecodeError) else ""
        raise DefinitionError(f"{path}: cannot be read: {first_line(error)}{hint}") from error


def project_of(path: Path) -> Path:
    """Give the folder that relative source paths start from: the one above `deployments/`."""
    folder = path.resolve().parent
    return folder.parent if folder.name == DEFINITIONS.name else folder
