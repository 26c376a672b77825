"""Valid names of models, versions and files: path traversal is refused here.

Names come from people, manifests, ledgers and archives, and become paths. Responsible for what a
name may look like. Not responsible for whether what it names exists.
"""

import re

from tasks.core.errors import DefinitionError, StoreError, harmless

MODEL = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"  # a bento and a folder are called so, too
MODEL_MEANS = "small letters, digits and, between them, hyphens; 63 at most"
_VERSION = r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}"
_LONGEST_PART, _SHOWN = 255, 100
# What this distribution installs: a module of a project that bears such a name hides it.
OURS = ("bentos", "flows", "perennial", "tasks")


def is_plain(path: str) -> bool:
    """Tell whether a relative path stays below its folder, on any operating system.

    It is not absolute, and has no `..`, no backslash, no drive and no control character.

    >>> is_plain("models/churn"), is_plain("../secrets")
    (True, False)
    """
    return all(map(_is_part, path.split("/")))


def check_plain(path: str, where: str) -> None:
    """Raise StoreError for a path that could leave the folder `where`."""
    if not is_plain(path):
        raise StoreError(f"{path[:_SHOWN]!r} is no name of a file below {where}")


def is_model(name: str) -> bool:
    return re.fullmatch(MODEL, name) is not None


def is_version(name: str) -> bool:
    return re.fullmatch(_VERSION, name) is not None


def check_model(name: str) -> str:
    """Return a model's name; DefinitionError where it cannot be one."""
    if not is_model(name):
        raise DefinitionError(f"{name[:_SHOWN]!r} is no name of a model: it is {MODEL_MEANS}")
    return name


def check_version(name: str) -> str:
    """Return a version's name; DefinitionError where it cannot be one."""
    if not is_version(name):
        raise DefinitionError(f"{name[:_SHOWN]!r} is no name of a version; see `perennial history`")
    return name


def _is_part(part: str) -> bool:
    return (
        part not in ("", ".", "..")
        and not {"\\", ":", "\t", "\n"} & {*part}
        and len(part.encode(errors="replace")) <= _LONGEST_PART
        and harmless(part) == part
    )
